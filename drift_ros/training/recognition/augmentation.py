"""How views are varied: zoomed, shifted, turned, mirrored, seen in another light, and painted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from drift_ros.recognition.network import PIXELS
from drift_ros.recognition.views import MEAN, SPREAD
from drift_ros.training.recognition.views import KEPT

LARGER = (-0.08, 0.12)  # log of the size of a view
ZOOM, USUAL, MOST_ZOOM = 0.12, 0.7, 0.45  # deviation of its log, share that has it; most of others
TURN = 0.17  # rad
BESIDE = (1.1, 1.7)  # sides of an object's box beside it where it is not seen
LIGHT, TINT, LEVEL, GRAIN = 0.08, 0.03, 0.03, 0.015  # deviations of light, colours and noise
PAINTED = 0.35  # share of pairs whose objects get another texture
SAME_PAINT = 0.6  # share of these that get the same: others then show what does not look the same
PAINT = (0.3, 0.9)  # sides of a kept view that a view's texture covers
PAINT_TURN = 0.4  # rad by which the same texture is turned from one view to the other


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """What of kept views becomes views, for B of them.

    Attributes:
        size: (B,) px that they are wide and high.
        shift: (B, 2) px (x, y) from the middle.
        angle: (B,) rad.
        mirror: (B,) -1 or 1.
    """

    size: Tensor
    shift: Tensor
    angle: Tensor
    mirror: Tensor


class Augmentation:
    """Draws how views are varied.

    Args:
        device: where they are.
        seed: of the draws.
        vary: whether they are varied at all.
    """

    def __init__(self, device: torch.device, seed: int, vary: bool) -> None:
        self._device = device
        self._generator = torch.Generator(device).manual_seed(seed)
        self._vary = float(vary)

    def size(self, count: int) -> Tensor:
        """(B,) factors of the size of a view."""
        return (self._vary * self._uniform(count, between=LARGER)).exp()

    def zoom(self, count: int) -> Tensor:
        """(B,) log of how much larger an object becomes, by no change of its distance."""
        usual = self._uniform(count) < USUAL
        wide = self._uniform(count, between=(-MOST_ZOOM, MOST_ZOOM))
        return self._vary * torch.where(usual, ZOOM * self._normal(count), wide)

    def angle(self, count: int) -> Tensor:
        """(B,) quarters of a turn, in rad."""
        quarters = torch.randint(4, (count,), generator=self._generator, device=self._device)
        return self._vary * quarters * (math.pi / 2)

    def turn(self, count: int) -> Tensor:
        """(B,) rad by which a second view is turned."""
        return self._vary * TURN * self._normal(count)

    def mirror(self, count: int) -> Tensor:
        """(B,) -1 or 1."""
        return torch.where(self._uniform(count) < 0.5 * self._vary, -1.0, 1.0)

    def shift(self, sides: Tensor, most: float) -> Tensor:
        """(B, 2) px, at most a share of sides (B,) in each direction."""
        return self._vary * sides[:, None] * self._uniform(len(sides), 2, between=(-most, most))

    def beside(self, boxes: Tensor) -> Tensor:
        """(B, 2) px from objects with boxes of sides (B,) to where they are not."""
        way = self._normal(len(boxes), 2)
        way = way / way.norm(dim=1, keepdim=True).clamp(min=1e-3)
        return way * boxes[:, None] * self._uniform(len(boxes), 1, between=BESIDE)

    def cut(self, cut: Cut, images: Tensor, masks: Tensor, frames: Tensor) -> Tensor:
        """(B, 5, 128, 128) as `recognition.views.cut` makes them, in some light.

        Args:
            cut: what of the views.
            images, masks, frames: as in `ObjectViews`.
        """
        count = len(images)
        part, cos, sin = cut.size / KEPT, cut.angle.cos(), cut.angle.sin()
        x, y = (2 * cut.shift / KEPT).unbind(1)
        rows = (part * cos * cut.mirror, -part * sin, x), (part * sin * cut.mirror, part * cos, y)
        grid = _grid(rows)
        kept = torch.cat([images.permute(0, 3, 1, 2), masks[:, None]], 1).float() / 255
        view = functional.grid_sample(kept, grid, align_corners=False)
        places, frame = (grid + 1) * KEPT / 2, frames[:, None, None]
        inside = (places >= frame[..., :2]) & (places <= frame[..., 2:]) & (grid.abs() <= 1)
        inside = inside.all(-1)[:, None].float()
        colours = view[:, :3]
        light = 1 + LIGHT * self._normal(count, 1, 1, 1) + TINT * self._normal(count, 3, 1, 1)
        level = LEVEL * self._normal(count, 1, 1, 1)
        grain = GRAIN * self._uniform(count, 1, 1, 1) * self._normal(*colours.shape)
        colours = torch.lerp(colours, colours * light + level + grain, self._vary)
        return torch.cat([(colours - MEAN) / SPREAD * inside, inside, view[:, 3:]], 1)

    def paint(self, views: Sequence[Tensor], scale: Tensor, images: Tensor) -> Tensor:
        """Give some objects another texture in both views of pairs, in place: the same, or two
        different ones, so that shape and background do not tell what is the same.

        Args:
            views: the first ones (K, 5, 128, 128), each of several pairs in a row, and the second
                ones (B, 5, 128, 128).
            scale: (B,) log of how much larger an object is in the second.
            images: (N, 209, 209, 3) of which textures are taken.

        Returns:
            (B,) bool, which objects do not look different now.
        """
        known, count = len(views[0]), len(scale)
        painted = self._uniform(known) < PAINTED * self._vary
        same = self._uniform(count) < SAME_PAINT
        first, second = self._rows(len(images), known), self._rows(len(images), count)
        size = self._uniform(known, between=PAINT)
        angle = self._uniform(known, between=(-math.pi, math.pi))
        ways = [(views[0], first, size, angle, painted)]
        first, size, angle, painted = (
            each.repeat_interleave(count // known) for each in (first, size, angle, painted)
        )
        rows = torch.where(same, first, second)
        zoom = size * (-scale.clamp(-1, 1)).exp()
        ways += [(views[1], rows, zoom, angle + PAINT_TURN * self._normal(count), painted)]
        for view, rows, zoom, turn, covered in ways:
            x, y = _middle(view[:, 4])
            cos, sin = zoom * turn.cos(), zoom * turn.sin()
            grid = _grid(((cos, -sin, sin * y - cos * x), (sin, cos, -sin * x - cos * y)))
            texture = functional.grid_sample(
                images[rows].permute(0, 3, 1, 2).float() / 255,
                grid,
                padding_mode='reflection',
                align_corners=False,
            )
            cover = view[:, 4:] * view[:, 3:4] * covered[:, None, None, None]
            view[:, :3] = torch.lerp(view[:, :3], (texture - MEAN) / SPREAD, cover)
        return same | ~painted

    def _rows(self, most: int, count: int) -> Tensor:
        """(B,) random numbers below another one."""
        return torch.randint(most, (count,), generator=self._generator, device=self._device)

    def _uniform(self, *shape: int, between: tuple[float, float] = (0.0, 1.0)) -> Tensor:
        low, high = between
        drawn = torch.rand(*shape, generator=self._generator, device=self._device)
        return low + (high - low) * drawn

    def _normal(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self._generator, device=self._device)


def _middle(masks: Tensor) -> tuple[Tensor, Tensor]:
    """(B,) x and y, from -1 to 1, of the middle of masks (B, 128, 128)."""
    side = torch.linspace(-1, 1, PIXELS, device=masks.device)
    weight = masks.sum((1, 2)).clamp(min=1e-3)
    return (masks * side).sum((1, 2)) / weight, (masks * side[:, None]).sum((1, 2)) / weight


def _grid(rows: Sequence[Sequence[Tensor]]) -> Tensor:
    """(B, 128, 128, 2) where to sample, of two rows of three (B,) numbers of an affine map."""
    matrix = torch.stack([torch.stack(list(row), 1) for row in rows], 1)
    return functional.affine_grid(matrix, [len(matrix), 1, PIXELS, PIXELS], align_corners=False)
