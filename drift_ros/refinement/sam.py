"""Outlines by Segment Anything, prompted by the mask: box, points and the mask itself."""

from __future__ import annotations

from typing import Protocol, TypeGuard

import numpy as np
from numpy.typing import NDArray

from drift_ros.prompts.prompt import BACKGROUND_POINT, OBJECT_POINT, Prompt, Segmenter
from drift_ros.refinement.base import Labels, Mask, Refiner, distance, iou
from drift_ros.settings import RefinementSettings

INSIDE, OUTSIDE = 2, 2  # points on the target, and on others or the background, at most


class Proposer(Protocol):
    """A segmenter that gives all its answers."""

    def propose(self, image: NDArray[np.uint8], prompts: list[Prompt]) -> list[NDArray[np.bool_]]:
        """Candidates (m, H, W) for each prompt, which has one box."""
        ...


def proposes(segmenter: Segmenter) -> TypeGuard[Proposer]:
    """Whether a segmenter gives all its answers: those with weights do."""
    return hasattr(segmenter, 'propose')


class SamRefiner(Refiner):
    """Of the model's answers, the one that agrees best with the mask is taken. The image is
    embedded once for all targets.

    Args:
        proposer: SAM or SAM 2.
        settings: of the refinement.
    """

    def __init__(self, proposer: Proposer, settings: RefinementSettings) -> None:
        super().__init__(settings)
        self._proposer = proposer

    def _outlines(
        self, image: NDArray[np.uint8], labels: Labels, masks: dict[int, Mask]
    ) -> dict[int, Mask]:
        prompts = [
            prompt_of(mask, (labels != 0) & ~mask, self.settings.margin) for mask in masks.values()
        ]
        answers = self._proposer.propose(image, prompts)
        found = {}
        for (target, mask), candidates in zip(masks.items(), answers, strict=True):
            overlaps = [iou(candidate, mask) for candidate in candidates]
            found[target] = candidates[int(np.argmax(overlaps))]
        return found


def prompt_of(mask: Mask, others: Mask, margin: float) -> Prompt:
    """The prompt by which a segmenter refines a mask.

    Points on the target are those deepest inside it, far from each other. Points that are not on it
    are those deepest inside other targets in its box, then those farthest from it in the box.

    Args:
        mask: (H, W), not empty.
        others: (H, W), where other targets are.
        margin: of the box, in parts of its longer side.
    """
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    size = max(np.ptp(rows), np.ptp(columns)) + 1
    reach = round(margin * size)
    top, left = max(0, rows[0] - reach), max(0, columns[0] - reach)
    bottom = min(mask.shape[0], rows[-1] + 1 + reach)
    right = min(mask.shape[1], columns[-1] + 1 + reach)
    part = slice(top, bottom), slice(left, right)
    inner, other = mask[part], others[part]
    on = _peaks(distance(inner), INSIDE)
    off = _peaks(distance(other), OUTSIDE)
    off = (off + _peaks(distance(~inner & ~other), OUTSIDE))[:OUTSIDE]
    points = np.add([*on, *off], [left, top], dtype=np.float64)
    labels = [OBJECT_POINT] * len(on) + [BACKGROUND_POINT] * len(off)
    box = np.array([[left, top, right - left, bottom - top]], np.float64)
    return Prompt(points=points, point_labels=np.array(labels, np.uint8), boxes=box, mask=mask)


def _peaks(depth: NDArray[np.float32], count: int) -> list[tuple[int, int]]:
    """(x, y) of the deepest pixels, each outside the circles around the ones before it that reach
    to the outline and half as far again; none where the depth is 0.
    """
    left = depth.copy()
    found: list[tuple[int, int]] = []
    y, x = np.indices(depth.shape)
    for _ in range(count):
        row, column = np.unravel_index(int(left.argmax()), depth.shape)
        if left[row, column] <= 0:
            break
        found.append((int(column), int(row)))
        left[np.hypot(y - row, x - column) <= 1.5 * depth[row, column]] = 0
    return found
