"""Bars that show how far an evaluation is: all of it, and each sequence at work."""

from __future__ import annotations

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from drift_ros.evaluation.running.evaluate import Watcher
from drift_ros.evaluation.scores import Refusal, Score


class Bars(Watcher):
    """Drawn while it is open.

    Args:
        console: where to; None: stderr.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._progress = Progress(
            TextColumn('{task.description}', markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn('{task.fields[unit]}'),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console or Console(stderr=True),
        )
        self._all: TaskID | None = None
        self._running: dict[str, TaskID] = {}

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def begin(self, done: int, count: int) -> None:
        """How many sequences there are, and how many were done before."""
        self._all = self._progress.add_task(
            'all sequences', total=count, completed=done, unit='sequences'
        )

    def frame(self, name: str, done: int, count: int) -> None:
        """A sequence came so far."""
        if name not in self._running:
            self._running[name] = self._progress.add_task(name, total=count, unit='frames')
        self._progress.update(self._running[name], completed=done)

    def done(self, name: str, found: Score | Refusal) -> None:
        """A sequence is through."""
        if name in self._running:
            self._progress.remove_task(self._running.pop(name))
        if isinstance(found, Refusal):
            self._progress.console.print(f'{name}: {found.reason}', style='red', markup=False)
        if self._all is not None:
            self._progress.advance(self._all)
