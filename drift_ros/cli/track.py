"""`drift track`: every frame of a recording through the tracker, results into a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from drift_ros.cli import tracker_options as tracker

if TYPE_CHECKING:
    from drift_ros.offline.tracking_run import TrackingRun


def track(
    source: tracker.Source,
    prompts: Annotated[
        Path,
        typer.Option(
            help='What to track: YAML or JSON with points, boxes or masks on any frame, or an '
            'annotated PNG of the first frame.'
        ),
    ],
    out: Annotated[Path, typer.Option(help='Folder for the results.')],
    topic: tracker.Topic = None,
    features: tracker.Features = None,
    device: tracker.Device = None,
    config: tracker.Config = None,
    assignments: tracker.Assignments = None,
    fps: tracker.Fps = None,
    no_overlay: Annotated[bool, typer.Option('--no-overlay', help='Make no video.')] = False,
    no_bag: Annotated[bool, typer.Option('--no-bag', help='Make no bag.')] = False,
    overwrite: tracker.Overwrite = False,
) -> None:
    """Track objects through a recording, every frame of it.

    Writes labels/*.png (indexed, value = id), tracks.csv, overlay.mp4, bag/ (the messages of the
    node) and run.json.
    """
    from drift_ros.cli.offline import execute
    from drift_ros.cli.options import tracker_settings
    from drift_ros.offline.tracking_run import TrackingRequest, TrackingRun

    request = TrackingRequest(
        source=source.expanduser(),
        prompts=prompts.expanduser(),
        out=out.expanduser(),
        settings=tracker_settings(config, features, device, assignments or ()),
        topic=topic,
        fps=fps,
        video=not no_overlay,
        bag=not no_bag,
        overwrite=overwrite,
    )
    with TrackingRun(request) as run:
        if execute(run):
            _report(run)


def _report(run: TrackingRun) -> None:
    """Print what a run found and where it lies."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from drift_ros.cli.offline import say_what_was_written

    console = Console()
    skipped = run.source.skipped.total
    console.print(
        f'{run.results} frames in {run.seconds:.1f} s ({run.rate:.1f} frames/s)'
        + (f', {skipped} skipped (see {run.folder.path / "run.json"})' if skipped else ''),
        highlight=False,
        soft_wrap=True,
    )
    table = Table('id', 'name', 'visible frames', 'mean score', box=None, header_style='bold')
    for id_, seen in sorted(run.objects.items()):
        score = '' if seen.mean_score is None else f'{seen.mean_score:.2f}'
        table.add_row(str(id_), Text(seen.name), f'{seen.visible} of {seen.frames}', score)
    console.print(table)
    say_what_was_written(run)
