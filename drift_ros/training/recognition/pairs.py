"""Pairs of views, drawn from those of many videos and each seen otherwise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from drift_ros.recognition.network import MASK
from drift_ros.recognition.views import BOXES
from drift_ros.training.recognition.augmentation import Augmentation, Cut
from drift_ros.training.recognition.views import KEPT, SIDES, ObjectViews

OTHERS = 4  # views that each known one is compared with, since what that says is computed once
SAME, BESIDE, ELSEWHERE = 0.76, 0.13, 0.05  # shares of pairs; the others show what is around
TRIED = 3  # views of the same look of which the one is taken that seems to be at another distance
KNOWN = 0.92  # share of an object that is seen in the first view
FARTHEST = 0.7  # log of a scale that is learned
LOOKS = 64  # more than there are in a video
CENTRED, NEAR = 0.08, 0.49  # shift in sides of the first view, and of the second object's box


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """B pairs of views and what is true of them.

    Attributes:
        known: (B / 4, 5, 128, 128), each of four pairs in a row.
        other: (B, 5, 128, 128).
        shown: (B,) 1 if both show what looks the same, else 0.
        scale: (B,) log of how much larger it is in the second.
        measured: (B,) bool, of which the scale is learned.
        mask: (B, 64, 64) 0..1, of it in the second; 0 if it is not shown.
        share: (B,) 0..1 of the object of the second that are seen.
    """

    known: Tensor
    other: Tensor
    shown: Tensor
    scale: Tensor
    measured: Tensor
    mask: Tensor
    share: Tensor


class Pool:
    """Views of videos on a device.

    Args:
        most: number of views that it has room for.
        device: where they are.
    """

    def __init__(self, most: int, device: torch.device) -> None:
        self._most, self._device = most, device
        self._parts: dict[str, Tensor] = {}
        self._keys = np.zeros(0, np.int64)  # number of the video and of the look, rising
        self._whole = np.zeros(0, np.int64)  # rows whose object is seen as a whole
        self._sizes = np.zeros(0)  # log of the root of areas, as they would be 1 m away
        self._videos = 0

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, views: ObjectViews) -> None:
        """The views of one more video; those for which there is no room are left out."""
        first = len(self)
        count = min(len(views), self._most - first)
        for name, part in views.parts().items():
            if name not in self._parts:
                shape = (self._most, *part.shape[1:])
                self._parts[name] = torch.empty(shape, dtype=part.dtype, device=self._device)
            self._parts[name][first : first + count].copy_(part[:count], non_blocking=True)
        keys = self._videos * LOOKS + views.looks[:count].numpy()
        whole = first + np.flatnonzero(views.shares[:count].numpy() >= KNOWN)
        self._whole = np.concatenate([self._whole, whole])
        self._sizes = np.concatenate([self._sizes, _sizes(views)[:count]])
        self._keys = np.concatenate([self._keys, keys])
        self._videos += 1

    def draw(self, count: int, rng: np.random.Generator, vary: bool = True) -> Pairs:
        """Some pairs. Of what looks the same, views are preferred in which an object covers more or
        less than its distance explains: it is tilted, or bent.

        Args:
            count: how many, a multiple of 4.
            rng: of the draw.
            vary: whether they are zoomed, shifted, turned, mirrored and seen in another light.
        """
        first = rng.choice(self._whole, count // OTHERS).repeat(OTHERS)
        kind = rng.random(count)
        videos = self._keys // LOOKS
        tried = np.stack([_of_the_same(self._keys, first, rng) for _ in range(TRIED)])
        unlike = np.abs(self._sizes[tried] - self._sizes[first]).argmax(0)
        same = tried[unlike, np.arange(count)]
        beside = _of_the_same(videos, first, rng)
        anything = rng.integers(len(self), size=count)
        around = kind >= SAME + BESIDE + ELSEWHERE
        second = np.select([kind < SAME, (kind < SAME + BESIDE) | around], [same, beside], anything)
        shown = (self._keys[first] == self._keys[second]) & ~around
        seed = int(rng.integers(2**62))
        here = [torch.from_numpy(each).to(self._device) for each in (first, second, shown, around)]
        return self._pairs(Augmentation(self._device, seed, vary), *here)

    def _pairs(
        self,
        augmentation: Augmentation,
        first: Tensor,
        second: Tensor,
        shown: Tensor,
        around: Tensor,
    ) -> Pairs:
        """Cut out (B,) rows of views as an augmentation draws it."""
        parts, count, known_rows = self._parts, len(first), first[::OTHERS]
        ratio = parts['scales'][first] / parts['scales'][second]
        boxes = parts['boxes'][second]
        size = BOXES / SIDES * KEPT * augmentation.size(len(known_rows))
        zoom = augmentation.zoom(count)
        scale = (parts['distances'][first] / parts['distances'][second]).log() + zoom
        angle, mirror = augmentation.angle(len(size)), augmentation.mirror(len(size))
        known = Cut(size, augmentation.shift(size, CENTRED), angle, mirror)
        shift = augmentation.shift(boxes, NEAR)
        shift = torch.where(around[:, None], augmentation.beside(boxes), shift)
        size, angle, mirror = (each.repeat_interleave(OTHERS) for each in (size, angle, mirror))
        other = Cut(size * ratio * (-zoom).exp(), shift, angle + augmentation.turn(count), mirror)
        views = [
            augmentation.cut(cut, *(parts[name][rows] for name in ('images', 'masks', 'frames')))
            for cut, rows in ((known, known_rows), (other, second))
        ]
        shown = shown & augmentation.paint(views, scale, parts['images'][: len(self)])
        mask = functional.adaptive_avg_pool2d(views[1][:, 4], MASK) * shown[:, None, None]
        views[1][:, 4] = 0
        measured = shown & (scale.abs() < FARTHEST)
        share = parts['shares'][second]
        return Pairs(views[0], views[1], shown.float(), scale, measured, mask, share)


def _sizes(views: ObjectViews) -> NDArray[np.float64]:
    """(N,) see `Pool`; of views whose object is not seen as a whole as well."""
    areas = (views.masks > 127).sum((1, 2)).double().clamp(min=1)
    sizes: NDArray[np.float64] = (areas.sqrt() * views.scales * views.distances).log().numpy()
    return sizes


def _of_the_same(
    keys: NDArray[np.int64], rows: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """For each row one of those that have the same key; keys rise."""
    start, stop = (np.searchsorted(keys, keys[rows], side) for side in ('left', 'right'))
    return rng.integers(start, stop)
