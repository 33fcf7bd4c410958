"""`drift evaluate` on videos with known tracks of points."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from drift_ros.evaluation.points.clips import PointClip
    from drift_ros.evaluation.points.methods import PointMethod

LAYOUTS = ('tap-vid', 'rendered-points')
STILL, FLOW = 'no-motion', 'flow'


def evaluate_points(
    data: str,
    layout: str,
    out: Path,
    features: str | None,
    config: str | None,
    device: str | None,
    assignments: Sequence[str],
    names: Sequence[str],
    split: str | None,
    limit: int | None,
    mode: str,
) -> None:
    """Follow the points of every video and print a table of the scores.

    Raises:
        DriftError: something cannot be used.
    """
    from rich.console import Console
    from rich.table import Table

    from drift_ros.cli.main import PARTLY, complain
    from drift_ros.errors import SettingsError, SourceError
    from drift_ros.evaluation.points import run

    if mode not in ('first', 'strided'):
        raise SettingsError(f'--queries is {mode!r}: queries are first or strided')
    method = choose_method(features, config, device, assignments)
    console = Console(stderr=True)
    record = run.evaluate(
        _clips(data, layout, split, limit, names),
        method,
        out.expanduser(),
        mode,  # type: ignore[arg-type]
        lambda name, scores: console.print(f'{name}: {run.summary(scores)}', highlight=False),
    )
    if not record['sequences']:
        refused = '; '.join(record['refused'].values()) or 'there is none of these names'
        raise SourceError(f'no video of {data} could be evaluated: {refused}')
    columns = ('AJ', 'delta', 'OA', *(f'delta{t}' for t in (1, 2, 4, 8, 16)))
    table = Table('video', *columns, 's/frame', box=None, header_style='bold')
    for name, scores in (*record['sequences'].items(), ('mean', record['mean'])):
        values = [f'{100 * scores.get(c, float("nan")):.1f}' for c in columns]
        style = 'bold' if name == 'mean' else None
        table.add_row(name, *values, f'{scores["seconds_per_frame"]:.3f}', style=style)
    Console().print(table)
    typer.echo(f'{out / run.RESULTS}')
    if record['refused']:
        complain('; '.join(f'{n}: {why}' for n, why in record['refused'].items()))
        raise typer.Exit(PARTLY)


def choose_method(
    features: str | None, config: str | None, device: str | None, assignments: Sequence[str]
) -> PointMethod:
    """What a row of a table names: `no-motion`, `flow`, or our tracker with its extractor.

    Raises:
        DriftError: the settings name something that is missing or unusable.
    """
    from drift_ros.cli.options import tracker_settings
    from drift_ros.evaluation.points.methods import ChainedFlow, Ours, Still

    if features == STILL:
        return Still()
    if features == FLOW:
        return ChainedFlow()
    return Ours(tracker_settings(config, features, device, assignments))


def _clips(
    data: str, layout: str, split: str | None, limit: int | None, names: Sequence[str]
) -> Iterator[PointClip]:
    from drift_ros.errors import SettingsError
    from drift_ros.evaluation.points import rendered, tap_vid

    wanted = {name.strip() for part in names for name in part.split(',')} - {''}
    if layout == 'tap-vid':
        found = tap_vid.clips(Path(data).expanduser(), limit)
        return (clip for clip in found if not wanted or clip.name in wanted)
    if data not in rendered.FRAMES:
        raise SettingsError(
            f'{data!r} is no set of {layout}: there are {", ".join(rendered.FRAMES)}'
        )
    if split not in (None, 'val', 'test'):
        raise SettingsError(f'--split is {split!r}: rendered-points has test and val')
    return rendered.clips(split or 'test', limit, wanted, data)  # type: ignore[arg-type]
