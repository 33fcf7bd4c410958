"""Where the time of a frame goes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Stages:
    """Adds up the time that stages of the work take; belongs to one thread.

    On a GPU what only starts work there takes no time: its time is that of the stage that waits for
    the result, usually the propagation. Of features that another thread computes, only what is
    waited for counts.

    Args:
        names: of the stages.

    Attributes:
        seconds: time by stage so far, without that of stages inside of it.
    """

    def __init__(self, *names: str) -> None:
        self.seconds = dict.fromkeys(names, 0.0)
        self._around: list[str] = []

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        """The work in the block belongs to a stage."""
        self._around.append(name)
        start = time.perf_counter()
        try:
            yield
        finally:
            took = time.perf_counter() - start
            self._around.pop()
            self.add(name, took)
            if self._around:
                self.add(self._around[-1], -took)

    def add(self, name: str, seconds: float) -> None:
        """A stage took time."""
        self.seconds[name] += seconds
