"""`drift analyze`: which layer, head and step of a model hold correspondences."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from drift_ros.cli import tracker_options as tracker


def analyze(
    data: Annotated[
        str,
        typer.Argument(
            metavar='DATA', help='rendered-points, or a pickle of TAP-Vid or a folder of them.'
        ),
    ],
    out: Annotated[Path, typer.Option(help='Folder for the page, tables and picture.')],
    features: tracker.Features = None,
    levels: Annotated[
        str,
        typer.Option(
            metavar='NAME=V1,V2,...',
            help='One setting of the noise level or step and its values, such as '
            'features.embedded.snr=5,20,80; empty: as it is set.',
        ),
    ] = '',
    clips: Annotated[int, typer.Option(min=1, help='Clips that are taken.')] = 4,
    frames: Annotated[int, typer.Option(min=2, help='Frames of each, seen together.')] = 8,
    device: tracker.Device = None,
    config: tracker.Config = None,
    assignments: tracker.Assignments = None,
) -> None:
    """Measure how well the queries and keys of each layer and head find points with known tracks.

    Writes analysis.html, analysis.json, analysis.csv and heatmap.png, and prints the best places.
    Rendered clips are those of the split val, on which settings are chosen.
    """
    from itertools import islice

    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Table

    from drift_ros import features as extractors
    from drift_ros.cli.options import tracker_settings
    from drift_ros.evaluation.points import rendered, tap_vid
    from drift_ros.evaluation.points.analysis import MEASURES, Analysis, best_heads
    from drift_ros.evaluation.reporting import analysis_files as files
    from drift_ros.settings import flatten

    name, _, values = levels.partition('=')
    chosen = [value for value in values.split(',') if value] or ['']
    source = rendered.clips('val') if data == 'rendered-points' else tap_vid.clips(Path(data), None)
    taken = list(islice(source, clips))
    analysis = Analysis()
    with Progress(console=Console(stderr=True)) as progress:
        for value in progress.track(chosen, description='levels'):
            given = [*(assignments or ()), *([f'{name}={value}'] if value else [])]
            settings = tracker_settings(config, features, device, given)
            extractor = extractors.create(settings.features)
            analysis.add(extractor, value or '-', taken, settings.features.resolution, frames)
    rows = analysis.rows()
    out = out.expanduser()
    files.write_analysis(
        rows,
        out,
        extractor=extractor.name,
        measured={
            f'clips of {data}': str(len(taken)),
            'frames of each seen together': str(frames),
        },
        level=name if values else '',
        settings=flatten(tracker_settings(config, features, device, assignments or ())),
    )
    table = Table('level', 'layer', 'head', *MEASURES, 'harmonic', box=None, header_style='bold')
    for row in rows[:12]:
        table.add_row(*(_shown(row[key]) for key in row))
    Console().print(table)
    if heads := best_heads(rows):
        typer.echo(f'best head: points.heads={heads}')
    typer.echo(f'{out}: {files.PAGE}, {files.ROWS}, {files.TABLE}, {files.PICTURE}')


def _shown(value: Any) -> str:
    return f'{value:.3f}' if isinstance(value, float) else str(value)
