"""What one open page knows: the picture that it shows, and the marks on it. Knows no browser."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from drift_ros.page.draft import Draft, Point
from drift_ros.page.drawing import marks
from drift_ros.page.pictures import Picture

DRAG = 6.0  # px of the sent picture: less is a click
PATIENCE = 2.0  # s until a picture that never arrived is given up


class Session:
    """One page.

    The browser says which picture it has loaded, so that a click belongs to the picture that the
    person saw, however late it comes; and only then the next one is sent, so that a slow browser
    gets fewer pictures and nothing queues.

    Args:
        clock: monotonic time in s.

    Attributes:
        shown: the picture that the browser shows.
        draft: what is marked, if anything; meanwhile no other picture is sent.
        target: id that new marks are for; 0: a new target.
        on_object: what a click without Shift says.
        preview: mask of the draft as the segmenter understands it.
        revision: counts the changes of the marks; an answer to older marks is dropped.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._sent: Picture | None = None
        self._sent_at = -math.inf
        self._pressed: tuple[Picture, Point, bool] | None = None
        self._drag: Point | None = None
        self.shown: Picture | None = None
        self.draft: Draft | None = None
        self.target = 0
        self.on_object = True
        self.preview: NDArray[np.bool_] | None = None
        self.revision = 0

    # --------------------------------------------------------------------------------- pictures

    @property
    def waits(self) -> bool:
        """Whether the browser still loads the last picture that it was sent."""
        if self._sent is None or self._sent is self.shown:
            return False
        return self._clock() - self._sent_at < PATIENCE

    @property
    def holds(self) -> bool:
        """Whether the picture stays because something is marked on it."""
        return self.draft is not None or self._pressed is not None

    def offer(self, picture: Picture | None) -> bool:
        """Whether a picture shall be sent now; it then counts as sent."""
        if picture is None or picture is self._sent or self.holds or self.waits:
            return False
        self._sent, self._sent_at = picture, self._clock()
        return True

    def loaded(self, address: str) -> bool:
        """The browser shows the picture of an address. Returns whether it is one of ours."""
        if self._sent is None or not address.partition('?')[0].endswith(f'/{self._sent.name}.jpg'):
            return False
        self.shown = self._sent
        return True

    # ----------------------------------------------------------------------------------- pointer

    def press(self, place: Point, shift: bool = False) -> None:
        """The pointer went down at (x, y) in px of the sent picture."""
        picture = self.draft.picture if self.draft else self.shown
        if picture is not None and self._pressed is None and _finite(place):
            self._pressed = (picture, place, shift)

    def move(self, place: Point) -> bool:
        """The pointer moved. Returns whether that changes the drawing."""
        if self._pressed is None or not _finite(place):
            return False
        self._drag = place if self._is_drag(place) else None
        return self._drag is not None

    def release(self, place: Point) -> bool:
        """The pointer went up: a click or a box. Returns whether the draft changed.

        Raises:
            PromptError: there are too many marks.
        """
        if self._pressed is None:
            return False
        picture, start, shift = self._pressed
        drag = _finite(place) and self._is_drag(place)
        self._pressed = self._drag = None
        if not picture.tracked or not _finite(place):
            return False
        if self.draft is None:
            self.draft = Draft(picture, self.target)
        if drag:
            self.draft.set_box(_frame_point(picture, start), _frame_point(picture, place))
        else:
            self.draft.add_point(_frame_point(picture, start), self.on_object and not shift)
        self._changed()
        return True

    def _is_drag(self, place: Point) -> bool:
        assert self._pressed is not None
        return math.dist(self._pressed[1], place) >= DRAG

    # ------------------------------------------------------------------------------------ draft

    def undo(self) -> None:
        """Take the last mark back."""
        if self.draft is not None:
            self.draft.undo()
            self._changed()
            if not (self.draft.points or self.draft.boxes):
                self.cancel()

    def cancel(self) -> None:
        """Drop the marks; the picture moves on."""
        self.draft = self.preview = self._pressed = self._drag = None
        self.target = 0
        self.on_object = True
        self.revision += 1

    def close(self) -> None:
        """Hold no picture any more. What the page consists of may stay in memory for long, since
        its parts know each other.
        """
        self.cancel()
        self.shown = self._sent = None

    def move_on(self, picture: Picture) -> None:
        """Put the marks on another picture, because theirs cannot be prompted any more; it counts
        as sent.
        """
        if self.draft is not None:
            self.draft = replace(self.draft, picture=picture)
            self._sent, self._sent_at = picture, self._clock()
            self._changed()

    def understood(self, revision: int, mask: NDArray[np.bool_] | None) -> None:
        """Take the preview of the marks as they were at a revision."""
        if revision == self.revision and self.draft is not None:
            self.preview = mask

    def _changed(self) -> None:
        self.preview = None
        self.revision += 1

    # ---------------------------------------------------------------------------------- drawing

    def drawing(self) -> str:
        """SVG of the marks, in px of the sent picture; numbers only, no text from outside."""
        drag = None
        if self._pressed is not None and self._drag is not None:
            drag = (self._pressed[1], self._drag)
        return marks(self.draft, self.preview, drag)


def _finite(place: Point) -> bool:
    return all(isinstance(c, (int, float)) and math.isfinite(c) for c in place)


def _frame_point(picture: Picture, place: Point) -> Point:
    """From px of the sent picture, measured from its corner, to those of the frame."""
    return place[0] / picture.scale - 0.5, place[1] / picture.scale - 0.5
