"""A bar over the frames of a source."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def frame_progress(name: str, count: int | None) -> Iterator[Callable[[int], None]]:
    """Show how many frames are done, how fast, and how long the rest takes.

    Args:
        name: of the source.
        count: number of its frames; None: unknown.

    Yields:
        Takes the number of frames that are done.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text(f'{speed:.1f} frames/s' if speed else '', style='progress.data.speed')

    with Progress(
        TextColumn('{task.description}', markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    ) as progress:
        task = progress.add_task(name, total=count)
        yield lambda done: progress.update(task, completed=done)
        if count is not None:
            progress.update(task, completed=count)
