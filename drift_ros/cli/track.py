"""`drift track`: every frame of a recording through the tracker, results into a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from drift_ros.cli import tracker_options as tracker


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command('track')(track)


def track(
    source: Annotated[
        Path,
        typer.Argument(
            metavar='INPUT',
            help='Bag (folder, .mcap, .db3), video file, or folder of jpg or png frames.',
        ),
    ],
    prompts: Annotated[
        Path,
        typer.Option(
            help='What to track: YAML or JSON with points, boxes or masks on any frame, or an '
            'annotated PNG of the first frame.'
        ),
    ],
    out: Annotated[Path, typer.Option(help='Folder for the results.')],
    topic: Annotated[
        str | None, typer.Option(help='Image topic of the bag; needed if it has several.')
    ] = None,
    features: tracker.Features = None,
    device: tracker.Device = None,
    config: tracker.Config = None,
    assignments: tracker.Assignments = None,
    fps: Annotated[
        float | None, typer.Option(help='Frames per second of a folder (24) or video (its own).')
    ] = None,
    no_overlay: Annotated[bool, typer.Option('--no-overlay', help='Make no video.')] = False,
    no_bag: Annotated[bool, typer.Option('--no-bag', help='Make no bag.')] = False,
    overwrite: Annotated[
        bool, typer.Option('--overwrite', help='Delete what an earlier run wrote to the folder.')
    ] = False,
) -> None:
    """Track objects through a recording, every frame of it.

    Writes labels/*.png (indexed, value = id), tracks.csv, overlay.mp4, bag/ (the messages of the
    node) and run.json.
    """
    from drift_ros.cli.options import tracker_settings
    from drift_ros.cli.tracking_run import Request, TrackingRun, report

    request = Request(
        source=source.expanduser(),
        prompts=prompts.expanduser(),
        out=out.expanduser(),
        settings=tracker_settings(config, features, device, assignments or ()),
        topic=topic,
        fps=fps,
        overlay=not no_overlay,
        bag=not no_bag,
        overwrite=overwrite,
    )
    with TrackingRun(request) as run:
        if run.folder.finished and not overwrite:
            typer.echo(f'{request.out} already holds the finished run; nothing was recomputed')
            return
        run.execute()
    report(run)
