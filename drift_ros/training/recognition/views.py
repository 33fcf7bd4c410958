"""Views of objects in rendered videos, by the number of the video."""

from __future__ import annotations

from dataclasses import dataclass, fields

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from drift_ros.recognition.network import PIXELS
from drift_ros.recognition.views import BOXES, COARSE, transform
from drift_ros.synthetic import RandomSettings
from drift_ros.synthetic.ground_truth import ObjectTruth, SyntheticFrame
from drift_ros.synthetic.render.world import World
from drift_ros.synthetic.scenes.absences import Role, absence_world
from drift_ros.synthetic.scenes.random_scene import random_scene
from drift_ros.synthetic.scenes.sets import VideoSet
from drift_ros.synthetic.seeds import Seed, Split
from drift_ros.training.data import SPACING

VIEWS = 3  # the word of these videos below a split
SIDES = 3.6  # sides of a kept view in those of the object's box: room for zoom, shift and turns
KEPT = round(PIXELS * SIDES / BOXES)  # px of its sides, so that a view is not made finer
FRAMES = 8  # of each video
SIMILAR = 0.85  # share of the videos in which two objects look the same, else anything
BALLS = 1 / 8  # share of these that show balls, which are learned fast
SMALLEST, LARGEST = 150, 300  # px of an area and of a side of a box
LEAST = 0.4  # share of an object that must be seen
AT_BORDER = 0.8  # share that is taken for seen where one reaches the border
OWN = {'points': 0, 'smallest': 0.05, 'largest': 0.2, 'tilts': 0.85, 'tilt': 1.6}  # of similar ones
RANDOM = RandomSettings(width=640, height=480, frames=48, points=0, smallest=0.05, largest=0.25)


@dataclass(frozen=True, slots=True, eq=False)
class ObjectViews:
    """N views of the objects of a video.

    Attributes:
        images: (N, 209, 209, 3) uint8 RGB, the middle of the object's box in the middle.
        masks: (N, 209, 209) uint8, 255 where the object is seen.
        looks: (N,) int64, rising; objects of one number look the same.
        distances: (N,) float32 m along the optical axis.
        scales: (N,) float32 px of the frame per px of the view.
        shares: (N,) float32 of the object that are seen, 0..1.
        frames: (N, 4) float32 where the frame lies in the view: left, top, right, bottom in px.
        boxes: (N,) float32 px of the view that the larger side of the object's box has.
    """

    images: Tensor
    masks: Tensor
    looks: Tensor
    distances: Tensor
    scales: Tensor
    shares: Tensor
    frames: Tensor
    boxes: Tensor

    def __len__(self) -> int:
        return len(self.looks)

    def parts(self) -> dict[str, Tensor]:
        """By name."""
        return {each.name: getattr(self, each.name) for each in fields(self)}


class Videos(Dataset[ObjectViews | None]):
    """Videos by number; None for one in which no object is seen well.

    Args:
        seed: of a training; those of different seeds share no video.
        split: `train`, or `val` for choosing.
    """

    def __init__(self, seed: int, split: Split = 'train') -> None:
        self._first, self._split = seed * SPACING, split

    def __getitem__(self, number: int) -> ObjectViews | None:
        seed = Seed(self._split, (VIEWS, self._first + number))
        rng = seed.child(0).generator()
        similar = bool(rng.random() < SIMILAR)
        world = _similar(seed, rng) if similar else self._random(seed)
        chosen = rng.choice(len(world), FRAMES, replace=False)
        found = [
            _view(frame, truth, similar)
            for frame in map(world.render, chosen.tolist())
            for truth in frame.objects
            if _is_seen(truth)
        ]
        if not found:
            return None
        found.sort(key=lambda parts: int(parts[2]))
        columns = zip(*found, strict=True)
        return ObjectViews(*(torch.from_numpy(np.stack(each)) for each in columns))

    def _random(self, seed: Seed) -> World:
        return random_scene(seed.path[-1], RANDOM, self._split)


def _similar(seed: Seed, rng: np.random.Generator) -> World:
    """Three to five objects at different distances, of which the first two look the same."""
    count = int(rng.integers(3, 6))
    roles = tuple(Role(i + 1, max(0, i - 1), ()) for i in range(count))
    settings = VideoSet('comes-back').random_settings().model_copy(update=OWN)
    behind, balls = bool(rng.random() < 0.5), bool(rng.random() < BALLS)
    return absence_world('views', settings, seed.child(1), roles, behind, balls)


def _is_seen(truth: ObjectTruth) -> bool:
    side = max(truth.roi.width, truth.roi.height)
    return truth.area >= max(SMALLEST, LEAST * truth.full_area) and side <= LARGEST


def _view(
    frame: SyntheticFrame, truth: ObjectTruth, similar: bool
) -> tuple[NDArray[np.generic] | np.int64, ...]:
    """The parts of `ObjectViews`."""
    roi, (height, width) = truth.roi, frame.labels.shape
    box = max(roi.width, roi.height)
    middle = (roi.x + roi.width / 2, roi.y + roi.height / 2)
    matrix = transform(middle, SIDES * box, KEPT)
    scale = matrix[0, 0]
    image = frame.image
    if scale < COARSE:
        image = cv2.blur(image, (round(1 / scale),) * 2)
    mask = np.where(frame.labels == truth.id, np.uint8(255), np.uint8(0))
    share = truth.area / truth.full_area
    right, bottom = width - roi.x - roi.width, height - roi.y - roi.height
    inside = min(roi.x, roi.y, right, bottom) > 0
    left, top = matrix[:, 2] + 0.5 - scale / 2
    numbers = (
        truth.centre[2],
        1 / scale,
        share if inside else min(share, AT_BORDER),
        (left, top, left + scale * width, top + scale * height),
        KEPT / SIDES,
    )
    return (
        cv2.warpAffine(image, matrix, (KEPT, KEPT)),
        cv2.warpAffine(mask, matrix, (KEPT, KEPT)),
        np.int64(max(0, truth.id - 2) if similar else truth.id),
        *(np.asarray(each, np.float32) for each in numbers),
    )
