"""Points with the ways that they came, over a frame."""

from __future__ import annotations

import colorsys
from collections import deque

import cv2
import numpy as np
from numpy.typing import NDArray

from drift_ros.structures import TrackedPoints
from drift_ros.visualization.overlay import BLACK, Colour, Picture

LENGTH = 16  # frames that a trail is long
TURN = 0.618034  # of the colour circle from one id to the next


class Trails:
    """Draws points and where they were in the last frames, each in a colour of its own.

    A visible point is a filled dot at the end of its trail; one that is not visible is a ring, and
    leaves no trail.

    Args:
        length: frames that a trail is long.
    """

    def __init__(self, length: int = LENGTH) -> None:
        self._past: deque[TrackedPoints] = deque(maxlen=length)

    def draw(self, picture: Picture, points: TrackedPoints | None) -> None:
        """Draw the points of the next frame into its picture (H, W, 3) uint8 RGB."""
        if points is None or (self._past and self._past[-1].generation != points.generation):
            self._past.clear()
        if points is None:
            return
        self._past.append(points)
        unit = max(1.0, min(picture.shape[:2]) / 480)
        radius = max(2, round(2.5 * unit))
        for id_, place, seen in zip(
            points.ids.tolist(), points.positions, points.visible.tolist(), strict=True
        ):
            colour, centre = colour_of(id_), _pixel(place)
            if seen:
                cv2.circle(picture, centre, radius + 1, BLACK, -1, cv2.LINE_AA)
                cv2.circle(picture, centre, radius, colour, -1, cv2.LINE_AA)
            else:
                cv2.circle(picture, centre, radius + 1, colour, 1, cv2.LINE_AA)
        for before, after in zip(self._past, list(self._past)[1:], strict=False):
            self._segments(picture, before, after, max(1, round(unit)))

    @staticmethod
    def _segments(
        picture: Picture, before: TrackedPoints, after: TrackedPoints, width: int
    ) -> None:
        _, old, new = np.intersect1d(before.ids, after.ids, return_indices=True)
        seen = before.visible[old] & after.visible[new]
        for i, j in zip(old[seen].tolist(), new[seen].tolist(), strict=True):
            ends = _pixel(before.positions[i]), _pixel(after.positions[j])
            cv2.line(picture, *ends, colour_of(int(after.ids[j])), width, cv2.LINE_AA)


def colour_of(id_: int) -> Colour:
    """RGB of a point; neighbouring ids differ."""
    r, g, b = colorsys.hsv_to_rgb(id_ * TURN % 1, 0.85, 1.0)
    return round(255 * r), round(255 * g), round(255 * b)


def _pixel(place: NDArray[np.float32]) -> tuple[int, int]:
    """Rounded, and kept within what OpenCV can draw."""
    x, y = np.clip(np.nan_to_num(place), -(2**14), 2**14)
    return round(float(x)), round(float(y))
