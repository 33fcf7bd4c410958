"""A clip whose truth is known, and the plainest parts to track it with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from drift_ros.features import Descriptors, FeatureExtractor, Session, Window
from drift_ros.prompts.prompt import Prompt
from drift_ros.settings import TrackerSettings, build
from drift_ros.tracking import Frame, Tracker

SIZE = (64, 96)
PERIOD = 40_000_000  # ns


class GivenMasks:
    """A segmenter that takes masks as they are."""

    name = 'given-masks'

    def segment(
        self, image: NDArray[np.uint8], prompts: Sequence[Prompt]
    ) -> list[NDArray[np.bool_]]:
        return [p.mask for p in prompts if p.mask is not None]


class Colours(FeatureExtractor):
    """Mean colours of 4 px cells, far apart for different colours; remembers the windows it saw."""

    name = 'colours'
    size_multiple = 4
    reentrant = True

    def __init__(self, length: int = 1) -> None:
        self.window_length = length
        self.device = torch.device('cpu')
        self.dtype = torch.float32
        self.windows: list[tuple[tuple[int, ...], int]] = []

    def extract(self, window: Window) -> Descriptors:
        self.windows.append((window.stamps, window.new))
        cells = torch.nn.functional.avg_pool2d(window.images[-window.new :].float(), 4) - 128
        return Descriptors.of(cells, 4)


class CausalColours(Colours):
    """Colours and, as a further channel, how many frames its session has seen; remembers what each
    session was shown between two resets.
    """

    streaming = True

    def __init__(self, length: int = 1) -> None:
        super().__init__(length)
        self.runs: list[list[int]] = []

    def session(self, length: int = 0) -> Session:
        return CausalSession(self)


class CausalSession(Session):
    def __init__(self, extractor: CausalColours) -> None:
        super().__init__(extractor)
        self.runs = extractor.runs
        self.reset()

    def reset(self) -> None:
        self.seen: list[int] = []

    def extract(self, window: Window) -> Descriptors:
        if not self.seen:
            self.runs.append(self.seen)
        self.seen += window.stamps
        colours = super().extract(window).features
        count = torch.arange(len(self.seen) - window.new, len(self.seen)).float()
        return Descriptors.of(
            torch.cat([colours, count[:, None, None, None].expand_as(colours[:, :1])], 1), 4
        )


def square(x: int, y: int = 20, side: int = 16) -> NDArray[np.bool_]:
    mask = np.zeros(SIZE, bool)
    mask[y : y + side, x : x + side] = True
    return mask


def picture(index: int, red: bool = True, blue: bool = True) -> NDArray[np.uint8]:
    """A red square moving right by 2 px per frame above a blue one moving left, on green."""
    image = np.full((*SIZE, 3), (30, 160, 60), np.uint8)
    if red:
        image[square(8 + 2 * index, 8)] = (230, 20, 20)
    if blue:
        image[square(72 - 2 * index, 40)] = (20, 20, 230)
    return image


def red_mask(index: int) -> NDArray[np.bool_]:
    return square(8 + 2 * index, 8)


def blue_mask(index: int) -> NDArray[np.bool_]:
    return square(72 - 2 * index, 40)


def clip_frame(index: int, **changes: object) -> Frame:
    fields = {'image': picture(index), 'stamp': 10**18 + index * PERIOD, 'frame_id': 'camera'}
    return Frame(**(fields | {'index': index} | changes))  # type: ignore[arg-type]


def iou(found: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    return float((found & truth).sum() / (found | truth).sum())


def make_tracker(
    length: int = 1,
    initial_prompts: Sequence[Prompt] = (),
    extractor: FeatureExtractor | None = None,
    **values: object,
) -> Tracker:
    """A tracker over colours, for settings by dotted names with __ for the dot."""
    dotted = {name.replace('__', '.'): value for name, value in values.items()}
    settings = build(
        TrackerSettings,
        {'features.resolution': 0, 'propagation.radius': 4, 'propagation.top_k': 5} | dotted,
    )
    return Tracker(extractor or Colours(length), GivenMasks(), settings, initial_prompts)
