"""A prompt in the making: what was clicked on one picture, for one target."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from drift_ros.errors import PromptError
from drift_ros.page.pictures import Picture
from drift_ros.prompts.prompt import BACKGROUND_POINT, OBJECT_POINT, Prompt
from drift_ros.prompts.validate import validate

MOST_MARKS = 100
LONGEST_NAME = 60  # characters
Point = tuple[float, float]
Box = tuple[float, float, float, float]  # x, y, width, height


@dataclass
class Draft:
    """Marks on a picture. Coordinates are px of the frame, (0, 0) is the first pixel's centre.

    Attributes:
        picture: that the marks were made on; its frame is the one that is prompted.
        target: id of the target to refine; 0: a new one.
        name: of the target; empty: none, or the one that it has.
        points: (x, y, label) in the order in which they were made.
        boxes: at most one.
    """

    picture: Picture
    target: int = 0
    name: str = ''
    points: list[tuple[float, float, int]] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)

    @property
    def usable(self) -> bool:
        """Whether something says where the object is."""
        return bool(self.boxes) or any(label == OBJECT_POINT for *_, label in self.points)

    def add_point(self, place: Point, on_object: bool) -> None:
        """Add a click.

        Raises:
            PromptError: there are too many.
        """
        if len(self.points) >= MOST_MARKS:
            raise PromptError(f'{MOST_MARKS} points are enough: track, or begin anew')
        label = OBJECT_POINT if on_object else BACKGROUND_POINT
        x, y = self._inside(place)
        self.points = [p for p in self.points if (round(p[0]), round(p[1])) != (round(x), round(y))]
        self.points.append((x, y, label))

    def set_box(self, one: Point, other: Point) -> None:
        """Draw the box between two corners; it takes the place of an earlier one."""
        (left, top), (right, bottom) = self._inside(one), self._inside(other)
        left, right = sorted((left, right))
        top, bottom = sorted((top, bottom))
        self.boxes = [(left, top, max(1.0, right - left), max(1.0, bottom - top))]

    def undo(self) -> None:
        """Take the last point back, or else the box."""
        marks: list[object] = self.points or self.boxes  # type: ignore[assignment]
        if marks:
            marks.pop()

    def prompt(self) -> Prompt:
        """The prompt that this is so far.

        Raises:
            PromptError: it says too little or contradicts itself.
        """
        prompt = Prompt(
            id=self.target,
            name=clean_name(self.name),
            points=np.array([(x, y) for x, y, _ in self.points], float).reshape(-1, 2),
            point_labels=np.array([label for *_, label in self.points], np.uint8),
            boxes=np.array(self.boxes, float).reshape(-1, 4),
        )
        validate([prompt], self.picture.frame.size)
        return prompt

    def _inside(self, place: Point) -> Point:
        height, width = self.picture.frame.size
        x, y = place
        if not (np.isfinite(x) and np.isfinite(y)):
            raise PromptError('a click must be on the picture')
        return min(max(float(x), 0.0), width - 1.0), min(max(float(y), 0.0), height - 1.0)


def clean_name(name: object) -> str:
    """A name in one line, without control characters, not too long."""
    text = ''.join(c if c.isprintable() else ' ' for c in str(name or ''))
    return ' '.join(text.split())[:LONGEST_NAME].strip()
