"""Pairs of views, drawn from those of many videos and each seen otherwise."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from drift_ros.recognition.network import MASK, PIXELS
from drift_ros.recognition.views import BOXES, MEAN, SPREAD
from drift_ros.training.recognition.views import KEPT, SIDES, ObjectViews

SAME, BESIDE, ELSEWHERE = 0.68, 0.18, 0.07  # shares of pairs; the others show what is around
KNOWN = 0.92  # share of an object that is seen in the first view
FARTHEST = 0.7  # log of a scale that is learned
LOOKS = 64  # more than there are in a video
LIGHT, TINT, LEVEL, GRAIN = 0.08, 0.03, 0.03, 0.06  # deviations of light, colours and noise
TURN = 0.17  # rad
PAINTED = 0.35  # share of pairs whose objects get another texture
SAME_PAINT = 0.6  # share of these that get the same: others then show what does not look the same
PAINT = (0.3, 0.9)  # sides of a kept view that a view's texture covers
PAINT_TURN = 0.4  # rad by which the same texture is turned from one view to the other


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """B pairs of views and what is true of them.

    Attributes:
        known, other: (B, 5, 128, 128).
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
        self._keys = np.concatenate([self._keys, keys])
        self._videos += 1

    def draw(self, count: int, rng: np.random.Generator, vary: bool = True) -> Pairs:
        """Some pairs.

        Args:
            count: how many.
            rng: of the draw.
            vary: whether they are zoomed, shifted, turned, mirrored and seen in another light.
        """
        first = rng.choice(self._whole, count)
        kind = rng.random(count)
        videos = self._keys // LOOKS
        same = _of_the_same(self._keys, first, rng)
        beside = _of_the_same(videos, first, rng)
        anything = rng.integers(len(self), size=count)
        around = kind >= SAME + BESIDE + ELSEWHERE
        second = np.select([kind < SAME, (kind < SAME + BESIDE) | around], [same, beside], anything)
        shown = (self._keys[first] == self._keys[second]) & ~around
        generator = torch.Generator(self._device).manual_seed(int(rng.integers(2**62)))
        cutter = _Cutter(self._parts, len(self), self._device, generator, vary)
        here = [torch.from_numpy(each).to(self._device) for each in (first, second, shown, around)]
        return cutter.pairs(*here)


def _of_the_same(
    keys: NDArray[np.int64], rows: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """For each row one of those that have the same key; keys rise."""
    start, stop = (np.searchsorted(keys, keys[rows], side) for side in ('left', 'right'))
    return rng.integers(start, stop)


class _Cutter:
    def __init__(
        self,
        parts: dict[str, Tensor],
        rows: int,
        device: torch.device,
        generator: torch.Generator,
        vary: bool,
    ) -> None:
        self._parts, self._rows = parts, rows
        self._device, self._generator = device, generator
        self._vary = float(vary)

    def pairs(self, first: Tensor, second: Tensor, shown: Tensor, around: Tensor) -> Pairs:
        count, vary = len(first), self._vary
        size = BOXES / SIDES * KEPT * torch.exp(vary * (0.2 * self._uniform(count) - 0.08))
        usual = self._uniform(count) < 0.7
        zoom = torch.where(usual, 0.12 * self._normal(count), 0.9 * self._uniform(count) - 0.45)
        zoom = vary * zoom
        of = {
            name: (part[first], part[second])
            for name, part in self._parts.items()
            if name not in ('images', 'masks')
        }
        near, far = of['distances'][0], of['distances'][1]
        scale = torch.log(near / far) + zoom
        other_size = size * of['scales'][0] / of['scales'][1] * torch.exp(-zoom)
        quarters = torch.randint(4, (count,), generator=self._generator, device=self._device)
        angle = vary * quarters * (math.pi / 2)
        mirror = torch.where(self._uniform(count) < 0.5 * vary, -1.0, 1.0)
        shift = vary * 0.16 * size[:, None] * (self._uniform(count, 2) - 0.5)
        known = self._cut(first, size, shift, angle, mirror)
        boxes = of['boxes'][1][:, None]
        shift = vary * 0.49 * boxes * 2 * (self._uniform(count, 2) - 0.5)
        way = self._normal(count, 2)
        beside = way / way.norm(dim=1, keepdim=True).clamp(min=1e-3)
        beside = beside * boxes * (1.1 + 0.6 * self._uniform(count, 1))
        shift = torch.where(around[:, None], beside, shift)
        angle = angle + vary * TURN * self._normal(count)
        other = self._cut(second, other_size, shift, angle, mirror)
        shown = self._painted(known, other, shown, scale)
        mask = functional.adaptive_avg_pool2d(other[:, 4], MASK) * shown[:, None, None]
        other[:, 4] = 0
        measured = shown & (scale.abs() < FARTHEST)
        share = of['shares'][1]
        return Pairs(known, other, shown.float(), scale, measured, mask, share)

    def _cut(
        self, rows: Tensor, size: Tensor, shift: Tensor, angle: Tensor, mirror: Tensor
    ) -> Tensor:
        """(B, 5, 128, 128) as `recognition.views.cut` makes them: squares of a size in px of kept
        views, shifted by px, turned and mirrored.
        """
        count = len(rows)
        part, cos, sin = size / KEPT, angle.cos(), angle.sin()
        offset = 2 * shift / KEPT
        matrix = torch.stack(
            [
                torch.stack([part * cos * mirror, -part * sin, offset[:, 0]], 1),
                torch.stack([part * sin * mirror, part * cos, offset[:, 1]], 1),
            ],
            1,
        )
        grid = functional.affine_grid(matrix, [count, 1, PIXELS, PIXELS], align_corners=False)
        images = self._parts['images'][rows].permute(0, 3, 1, 2)
        kept = torch.cat([images, self._parts['masks'][rows][:, None]], 1).float() / 255
        view = functional.grid_sample(kept, grid, align_corners=False)
        places, frame = (grid + 1) * KEPT / 2, self._parts['frames'][rows][:, None, None]
        inside = (places >= frame[..., :2]) & (places <= frame[..., 2:]) & (grid.abs() <= 1)
        inside = inside.all(-1)[:, None].float()
        colours = view[:, :3]
        light = 1 + LIGHT * self._normal(count, 1, 1, 1) + TINT * self._normal(count, 3, 1, 1)
        level = LEVEL * self._normal(count, 1, 1, 1)
        grain = SPREAD * GRAIN * self._uniform(count, 1, 1, 1) * self._normal(*colours.shape)
        varied = colours * light + level + grain
        colours = torch.lerp(colours, varied, self._vary)
        return torch.cat([(colours - MEAN) / SPREAD * inside, inside, view[:, 3:]], 1)

    def _painted(self, known: Tensor, other: Tensor, shown: Tensor, scale: Tensor) -> Tensor:
        """Give some objects another texture in both views (B, 5, 128, 128), in place: the same, or
        two different ones, so that shape and background do not tell what is the same.

        Returns:
            (B,) bool, which pairs still show what looks the same.
        """
        count, images = len(shown), self._parts['images']
        painted = self._uniform(count) < PAINTED * self._vary
        same = self._uniform(count) < SAME_PAINT
        source = torch.randint(
            self._rows, (2, count), generator=self._generator, device=self._device
        )
        source[1] = torch.where(same, source[0], source[1])
        size = PAINT[0] + (PAINT[1] - PAINT[0]) * self._uniform(count)
        turns = 2 * math.pi * self._uniform(count), PAINT_TURN * self._normal(count)
        side = torch.linspace(-1, 1, PIXELS, device=self._device)
        for view, rows, zoom, angle in (
            (known, source[0], size, turns[0]),
            (other, source[1], size * torch.exp(-scale.clamp(-1, 1)), turns[0] + turns[1]),
        ):
            mask = view[:, 4]
            weight = mask.sum((1, 2)).clamp(min=1e-3)
            x = (mask * side).sum((1, 2)) / weight
            y = (mask * side[:, None]).sum((1, 2)) / weight
            cos, sin = zoom * angle.cos(), zoom * angle.sin()
            matrix = torch.stack(
                [
                    torch.stack([cos, -sin, -(cos * x - sin * y)], 1),
                    torch.stack([sin, cos, -(sin * x + cos * y)], 1),
                ],
                1,
            )
            grid = functional.affine_grid(matrix, [count, 1, PIXELS, PIXELS], align_corners=False)
            texture = images[rows].permute(0, 3, 1, 2).float() / 255
            texture = functional.grid_sample(
                texture, grid, padding_mode='reflection', align_corners=False
            )
            cover = (mask * painted[:, None, None])[:, None] * view[:, 3:4]
            view[:, :3] = torch.lerp(view[:, :3], (texture - MEAN) / SPREAD, cover)
        return shown & (same | ~painted)

    def _uniform(self, *shape: int) -> Tensor:
        return torch.rand(*shape, generator=self._generator, device=self._device)

    def _normal(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self._generator, device=self._device)
