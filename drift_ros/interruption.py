"""Work that another thread may end in the middle, at places where that is safe.

A thread declares what it does as `Work`; what takes long calls `checkpoint` again and again. In a
thread without one, and while nobody wants an end, that does nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from drift_ros.errors import DriftError

PATIENCE = 1.0  # s that a prompt may take although a later one waits
_thread = threading.local()


class GivenUpError(DriftError):
    """Someone wanted the work to end."""


class Work:
    """What one thread does, as another one sees it."""

    def __init__(self) -> None:
        self._reason = ''
        self._superseded = ''
        self._segmenting_since: float | None = None

    def begin(self) -> None:
        """Declare it as what the calling thread does from now on."""
        _thread.work = self

    def give_up(self, reason: str) -> None:
        """Let every checkpoint raise from now on, until `resume`."""
        self._reason = reason

    def resume(self) -> None:
        """Take `give_up` back."""
        self._reason = ''

    def supersede(self, reason: str) -> None:
        """Let the segmentation of prompts end if it takes long; an empty reason takes it back."""
        self._superseded = reason

    @contextmanager
    def segmenting(self) -> Iterator[None]:
        """The work in the block may be superseded."""
        self._segmenting_since = time.monotonic()
        try:
            yield
        finally:
            self._segmenting_since = None

    def check(self) -> None:
        """Raise GivenUpError if the work is to end."""
        since = self._segmenting_since
        late = since is not None and time.monotonic() - since > PATIENCE
        if reason := self._reason or (late and self._superseded):
            raise GivenUpError(reason)


def checkpoint() -> None:
    """Call it where the present work can be given up.

    Raises:
        GivenUpError: it is to be given up.
    """
    present().check()


def present() -> Work:
    """What the calling thread does."""
    work = getattr(_thread, 'work', None)
    return work if isinstance(work, Work) else Work()
