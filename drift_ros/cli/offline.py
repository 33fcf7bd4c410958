"""A run over a recording in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from drift_ros.cli.frame_progress import frame_progress

if TYPE_CHECKING:
    from drift_ros.offline.run import OfflineRun


def execute(run: OfflineRun) -> bool:
    """Execute it with a progress bar; False if the very same has finished before."""
    if run.folder.finished and not run.overwrite:
        typer.echo(f'{run.folder.path} already holds the finished run; nothing was recomputed')
        return False
    with frame_progress(run.source.name, run.source.count) as on_frame:
        run.execute(on_frame)
    return True


def say_what_was_written(run: OfflineRun) -> None:
    """The folder and the names in it."""
    typer.echo(f'{run.folder.path}: {", ".join(run.written)}')
