"""Rendered videos with their tracks and descriptors, each made once and kept in a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drift_ros.features import FeatureExtractor, Window, create
from drift_ros.runs.atomic import make_folder, write_whole
from drift_ros.settings import TrackerSettings
from drift_ros.synthetic import Clips
from drift_ros.training.data import SPACING
from drift_ros.training.points.settings import PointTraining

PERIOD = 40_000_000  # ns between frames
Images = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class TrackedVideo:
    """A video, what is true of points in it, and its descriptors.

    Attributes:
        images: (F, H, W, 3) uint8 RGB.
        features: (F, C, h, w).
        stride: px per cell of the features.
        positions: (F, N, 2) float32 (x, y) in px; NaN if unknown.
        visible: (F, N) bool.
    """

    images: Images
    features: Tensor
    stride: int
    positions: NDArray[np.float32]
    visible: NDArray[np.bool_]

    def mirrored(self, axis: int) -> TrackedVideo:
        """The same, mirrored left and right (0) or upside down (1)."""
        places = self.positions.copy()
        places[..., axis] = self.images.shape[2 - axis] - 1 - places[..., axis]
        images, features = np.flip(self.images, 2 - axis), self.features.flip(3 - axis)
        return TrackedVideo(images, features, self.stride, places, self.visible)


class VideosByNumber(Protocol):
    """Videos 0 and up."""

    def __getitem__(self, number: int) -> TrackedVideo: ...


class Videos:
    """Videos of the training split, described by the embedded model.

    Args:
        folder: where they are kept.
        settings: what they are like.
    """

    def __init__(self, folder: Path, settings: PointTraining) -> None:
        self._folder = make_folder(folder)
        self._first = settings.seed * SPACING
        self._clips = Clips(settings.video, 'train')
        self._extractor: FeatureExtractor | None = None

    def __getitem__(self, number: int) -> TrackedVideo:
        path = self._folder / f'{number:05d}.pt'
        if not path.is_file():
            made = self._make(number)
            write_whole(path, lambda part: torch.save(made, part))
        images, features, stride, positions, visible = torch.load(path, weights_only=True)
        return TrackedVideo(images.numpy(), features, stride, positions.numpy(), visible.numpy())

    @torch.no_grad()
    def _make(self, number: int) -> list[Tensor | int]:
        clip = self._clips[self._first + number]
        if self._extractor is None:
            self._extractor = create(TrackerSettings().features)
        session, found = self._extractor.session(), []
        for index, image in enumerate(clip.images):
            shown = torch.from_numpy(image).permute(2, 0, 1)[None].contiguous()
            found.append(session.extract(Window(shown, ((index + 1) * PERIOD,), 1)))
        features = torch.cat([each.features.cpu() for each in found]).half()
        arrays = clip.images, clip.points.positions, clip.points.visible
        images, positions, visible = (torch.from_numpy(each) for each in arrays)
        return [images, features, found[0].stride, positions, visible]


def vary(images: Images, rng: np.random.Generator) -> Images:
    """Images (F, H, W, 3) with other colours and light, more blur, noise or JPEG artefacts."""
    if rng.random() < 0.5:
        images = images[..., rng.permutation(3)]
    if rng.random() < 0.6:
        levels = 255 * (np.arange(256) / 255) ** rng.uniform(0.8, 1.25)
        levels = levels * rng.uniform(0.7, 1.3) + rng.uniform(-20, 20)
        images = levels.clip(0, 255).astype(np.uint8)[images]
    blur = rng.uniform(0.4, 1.3) if rng.random() < 0.25 else 0
    noise = rng.uniform(1, 8) if rng.random() < 0.4 else 0
    quality = int(rng.uniform(40, 95)) if rng.random() < 0.25 else 0
    found = []
    cv2.setRNGSeed(int(rng.integers(2**31)))
    for image in np.ascontiguousarray(images):
        if blur:
            image = cv2.GaussianBlur(image, (0, 0), blur)
        if noise:
            grain = cv2.randn(np.empty(image.shape, np.int8), 0, noise)
            image = cv2.add(image, grain, dtype=cv2.CV_8U)
        if quality:
            coded = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
            image = cv2.imdecode(coded, cv2.IMREAD_COLOR)
        found.append(image)
    return np.stack(found)
