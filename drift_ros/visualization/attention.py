"""What attention groups with a pixel: its kernel in its own frame and in others, as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drift_ros.descriptors import Descriptors
from drift_ros.errors import PromptError, SettingsError, SourceError
from drift_ros.features import FeatureExtractor, Window
from drift_ros.propagation.attention import kernel_of, resample
from drift_ros.settings import TrackerSettings
from drift_ros.structures import Frame
from drift_ros.tracking.prepare import network_size, to_input
from drift_ros.visualization.contact_sheet import contact_sheet
from drift_ros.visualization.overlay import Picture

TILE = 320  # px
DIM = 0.35  # of the frame under a kernel
MARK = (255, 60, 60)


def attention_picture(
    frames: Mapping[int, Frame],
    numbers: Sequence[int],
    point: tuple[float, float],
    extractor: FeatureExtractor,
    settings: TrackerSettings,
    weights: Tensor | None = None,
) -> Picture:
    """The kernel of a pixel, a column per frame: the frames, the mean over heads, each head.

    It is the softmax of the products of the pixel's query, in the first frame, with the keys of
    each frame; the brightest place of a tile is white, whatever its weight.

    Args:
        frames: number -> frame.
        numbers: the frame that the pixel lies in, then others.
        point: (x, y) in px, origin at the centre of the top left pixel.
        settings: of the tracker that it belongs to.
        weights: (heads,) of the mean; None: all equal.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        SettingsError: the extractor reads features, not attention.
        SourceError: one of the frames is not there.
        PromptError: the point lies outside the frame.
    """
    if not extractor.heads:
        raise SettingsError(
            f'{extractor.name} reads features, not attention: take --features image-attention or '
            'embedded-attention'
        )
    missing = [number for number in numbers if number not in frames]
    if missing:
        raise SourceError(f'frame {missing[0]} is not there or could not be read')
    shown = [frames[number] for number in numbers]
    height, width = shown[0].size
    if not (-0.5 <= point[0] < width - 0.5 and -0.5 <= point[1] < height - 0.5):
        raise PromptError(
            f'the point {point[0]:g},{point[1]:g} lies outside of frame {numbers[0]}, which has '
            f'{width}x{height} px'
        )
    side = network_size(shown[0].size, settings.features.resolution, extractor.size_multiple)
    images = torch.stack([to_input(frame.image, side, extractor.device) for frame in shown])
    window = Window(images, tuple(frame.stamp for frame in shown), len(shown))
    kernels = kernels_of(extractor.extract(window), point, (height, width))
    share = torch.ones(len(kernels)) / len(kernels) if weights is None else weights.cpu()
    mixed = torch.einsum('n,nthw->thw', share, kernels)
    marked = [frame.image.copy() for frame in shown]
    place = (round(point[0]), round(point[1]))
    cv2.circle(marked[0], place, max(4, width // 80), MARK, max(2, width // 240))
    tiles = [*marked]
    names = [f'frame {number}' for number in numbers]
    heads = [f'{layer} head {head}' for layer, head in extractor.heads]
    for name, maps in zip(['all heads', *heads], [mixed, *kernels], strict=True):
        tiles += [_lit(frame.image, map_.numpy()) for frame, map_ in zip(shown, maps, strict=True)]
        names += [name] + [''] * (len(numbers) - 1)
    return contact_sheet(tiles, names, len(numbers), TILE)


def kernels_of(found: Descriptors, point: tuple[float, float], size: tuple[int, int]) -> Tensor:
    """Kernels of a pixel of the first frame: (heads, n, h, w) float32 on the finest grid and on the
    CPU; each sums to one in each frame.

    Args:
        found: queries and keys of n frames.
        point: (x, y) in px of the image.
        size: (H, W) of the image.
    """
    kernels = []
    for query, keys in zip(found.queries, found.keys, strict=True):
        height, width = query.shape[2:]
        row = int((point[1] + 0.5) * height / size[0])
        column = int((point[0] + 0.5) * width / size[1])
        each = [kernel_of(query[0, :, row, column], key[None]) for key in keys]
        fine = resample(torch.stack(each), found.grid)[:, 0]
        kernels.append(fine / fine.sum((1, 2), keepdim=True))
    return torch.stack(kernels).cpu()


def _lit(image: Picture, kernel: NDArray[np.float32]) -> Picture:
    """A dimmed frame, with the kernel as light."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None] * DIM
    light = np.sqrt(kernel / max(float(kernel.max()), 1e-12))  # so that weak places show
    size = (image.shape[1], image.shape[0])
    light = cv2.resize((255 * light).astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    colours = cv2.cvtColor(cv2.applyColorMap(light, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
    return np.maximum(colours, grey).astype(np.uint8)
