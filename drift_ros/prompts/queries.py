"""A prompt taken apart into what a segmenter answers in one go: at most one box each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drift_ros.interruption import checkpoint
from drift_ros.prompts.prompt import OBJECT_POINT, Prompt

TOGETHER = 16  # queries that are answered in one pass; bounds memory for many targets


@dataclass(frozen=True, slots=True)
class Query:
    """One question to a segmenter; a prompt's mask is the union of the answers to its queries.

    Attributes:
        points: (N, 2) float64 (x, y) in px.
        labels: (N,) uint8, 1 on the object, 0 not on it.
        box: (4,) float64 left, top, right, bottom in px, inside the image, or None. It covers the
            pixels whose column is in [left, right) and whose row is in [top, bottom).
        mask: (H, W) bool rough mask of the object, or None.
    """

    points: NDArray[np.float64]
    labels: NDArray[np.uint8]
    box: NDArray[np.float64] | None
    mask: NDArray[np.bool_] | None

    @property
    def corners(self) -> NDArray[np.float64]:
        """(4,) centres of the box's outermost pixels: left, top, right, bottom in px."""
        assert self.box is not None, 'the query has no box'
        return np.concatenate([self.box[:2], np.maximum(self.box[2:] - 1, self.box[:2])])

    @property
    def ambiguous(self) -> bool:
        """Whether it is a lone point, which may mean a part as well as the whole object."""
        return self.box is None and self.mask is None and len(self.points) == 1


def is_given(prompt: Prompt) -> bool:
    """Whether the prompt is a mask and nothing else; it is then taken as it is."""
    return prompt.mask is not None and not len(prompt.points) and not len(prompt.boxes)


def queries(prompt: Prompt, size: tuple[int, int]) -> list[Query]:
    """Take a valid prompt apart.

    Every box asks for itself, with the object points inside it. Object points in no box, a mask
    without a box, ask together. Points that are not on the object go with every query.

    Args:
        prompt: a valid prompt (see `validate`) that is more than a mask.
        size: (H, W) of the image in px.
    """
    on = prompt.point_labels == OBJECT_POINT
    free = on.copy()
    found = []
    for box in clip_boxes(prompt.boxes, size):
        left, top, right, bottom = box
        x, y = pixels(prompt.points).T
        inside = on & (left <= x) & (x < right) & (top <= y) & (y < bottom)
        free &= ~inside
        found.append(_query(prompt, inside | ~on, box))
    if free.any() or not found:
        found.append(_query(prompt, free | ~on, None))
    return found


def batches(asked: Sequence[Query]) -> Iterator[list[int]]:
    """Which queries a model can answer in one pass and without padding: those with equally many
    points, with or without a box, with the same mask, and alike in being ambiguous.

    Returns:
        Places in `asked`, each once, at most `TOGETHER` in a list.
    """
    alike: dict[tuple[object, ...], list[int]] = {}
    for place, query in enumerate(asked):
        kind = (len(query.points), query.box is None, id(query.mask), query.ambiguous)
        alike.setdefault(kind, []).append(place)
    for places in alike.values():
        for first in range(0, len(places), TOGETHER):
            checkpoint()
            yield places[first : first + TOGETHER]


def _query(prompt: Prompt, chosen: NDArray[np.bool_], box: NDArray[np.float64] | None) -> Query:
    return Query(prompt.points[chosen], prompt.point_labels[chosen], box, prompt.mask)


def clip_boxes(boxes: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.float64]:
    """Boxes (M, 4) as x, y, width, height -> (M, 4) left, top, right, bottom, cut at the border."""
    height, width = size
    corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
    limits = np.array([width, height, width, height], np.float64)
    return np.clip(corners, 0, limits)


def pixels(points: NDArray[np.float64]) -> NDArray[np.int64]:
    """Points (N, 2) in px -> (N, 2) column and row of the pixel that each lies in."""
    return np.floor(points + 0.5).astype(np.int64)
