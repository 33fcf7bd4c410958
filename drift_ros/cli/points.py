"""`drift points`: single points through a recording."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from drift_ros.cli import tracker_options as tracker


def points(
    source: tracker.Source,
    queries: Annotated[
        str,
        typer.Option(
            metavar='FILE|grid[:N]',
            help='Which points: a CSV file with the columns x, y and frame, or a grid on the first '
            'frame with N points (20) along its longer side.',
        ),
    ],
    out: Annotated[Path, typer.Option(help='Folder for the results.')],
    topic: tracker.Topic = None,
    features: tracker.Features = None,
    device: tracker.Device = None,
    config: tracker.Config = None,
    assignments: tracker.Assignments = None,
    fps: tracker.Fps = None,
    no_video: Annotated[bool, typer.Option('--no-video', help='Make no video.')] = False,
    no_bag: Annotated[bool, typer.Option('--no-bag', help='Make no bag.')] = False,
    overwrite: tracker.Overwrite = False,
) -> None:
    """Follow points through a recording, every frame of it.

    Writes points.csv, points.npz (the arrays of TAP-Vid), points.mp4 (points with their trails),
    bag/ (the messages of the node) and run.json.
    """
    from drift_ros.cli.offline import execute, say_what_was_written
    from drift_ros.cli.options import tracker_settings
    from drift_ros.offline.point_run import PointRequest, PointRun

    request = PointRequest(
        source=source.expanduser(),
        queries=queries,
        out=out.expanduser(),
        settings=tracker_settings(config, features, device, assignments or ()),
        topic=topic,
        fps=fps,
        video=not no_video,
        bag=not no_bag,
        overwrite=overwrite,
    )
    with PointRun(request) as run:
        if not execute(run):
            return
    share = f', visible in {run.visible / run.listed:.0%} of the frames' if run.listed else ''
    typer.echo(f'{run.results} frames in {run.seconds:.1f} s, {run.points} points{share}')
    say_what_was_written(run)
