"""What the commands that train show while they do."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


def steps_bar() -> Progress:
    """A bar of steps done, of how many, and how long they take, on the error output."""
    return Progress(
        TextColumn('{task.description}'),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )


def line(values: Mapping[str, float]) -> str:
    """Names and values with three digits, such as losses."""
    return '  '.join(f'{name} {value:.3f}' for name, value in values.items())
