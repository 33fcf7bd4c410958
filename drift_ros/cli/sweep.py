"""`drift sweep`: an evaluation for every combination of values of settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from drift_ros.cli import dataset_options as options
from drift_ros.cli import tracker_options as tracker

if TYPE_CHECKING:
    from drift_ros.evaluation.sweep import Outcome
    from drift_ros.settings import TrackerSettings


def sweep(
    data: options.Data,
    layout: options.Layout,
    over: Annotated[
        list[str],
        typer.Option(
            metavar='NAME=VALUE,VALUE,...',
            help='A setting and its values; repeated, all combinations are evaluated.',
        ),
    ],
    out: Annotated[Path, typer.Option(help='Folder for the results; an equal sweep continues.')],
    features: tracker.Features = None,
    config: tracker.Config = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            '--set', metavar='NAME=VALUE', help='One setting that stays; may be repeated.'
        ),
    ] = None,
    device: tracker.Device = None,
    sequences: options.Names = None,
    list_file: options.ListFile = None,
    split: options.Split = None,
    resolution: options.Resolution = '480p',
    merge: options.Merge = False,
    frames: options.Limit = None,
    labels: options.Labels = None,
    image: options.Image = None,
    truth: options.Truth = None,
    tolerance: options.Tolerance = 0.0,
    jobs: Annotated[
        int, typer.Option(min=1, help='Sequences at a time, each in a process with its own model.')
    ] = 1,
    pictures: Annotated[
        bool,
        typer.Option(
            '--pictures', help='Make overlays, contact sheets and pictures of frames too.'
        ),
    ] = False,
    overwrite: tracker.Overwrite = False,
) -> None:
    """Evaluate every combination of values of settings, and rank them.

    All combinations are checked before the first one runs. Each gets a folder as of `drift
    evaluate`; sweep.csv, sweep.html and plots/*.svg are renewed after each. What a combination
    cannot do, such as a model without that block, is reported in its row, and the others go on. The
    same command again continues, and one with further values computes only those.
    """
    from rich.console import Console

    from drift_ros.cli.options import tracker_settings
    from drift_ros.errors import SourceError
    from drift_ros.evaluation import running
    from drift_ros.evaluation.datasets import open_dataset
    from drift_ros.evaluation.methods import Ours
    from drift_ros.evaluation.reporting.latex import write_latex
    from drift_ros.evaluation.reporting.report import write_report
    from drift_ros.evaluation.reporting.sweep_files import overview, write_sweep
    from drift_ros.evaluation.reporting.terminal import rich_table
    from drift_ros.evaluation.running.progress import Bars
    from drift_ros.evaluation.sweep import grid, parse_axis, run
    from drift_ros.runs.atomic import make_folder
    from drift_ros.settings import flatten

    axes = [parse_axis(text) for text in over]
    base = flatten(tracker_settings(config, features, device, assignments or ()))
    combinations = grid(base, axes)
    selection = options.selection(
        sequences, list_file, split, resolution, merge, frames, labels, image, truth, tolerance
    )
    dataset = open_dataset(layout, data, selection)
    how = running.Options(jobs=jobs, pictures=pictures, overwrite=overwrite)
    console = Console(stderr=True)
    out = make_folder(out.expanduser())

    def evaluate(settings: TrackerSettings, folder: Path) -> Mapping[str, Any]:
        console.print(f'{folder.name}', markup=False, highlight=False, soft_wrap=True)
        with Bars(console) as bars:
            record = running.evaluate(dataset, Ours(settings), folder, how, bars)
        if not record['sequences']:
            raise SourceError(next(iter(record['refused'].values()), 'no sequence was evaluated'))
        write_latex(folder)
        write_report(folder, dataset.usable if pictures else ())
        return record

    def done(outcomes: Sequence[Outcome]) -> None:
        if outcomes[-1].refused:
            console.print(outcomes[-1].refused, style='red', markup=False, soft_wrap=True)
        write_sweep(outcomes, axes, len(combinations), Path(data).name, out)

    outcomes = run(combinations, evaluate, out, done)
    Console().print(rich_table(overview(outcomes, axes), f'{len(outcomes)} combinations [%]'))
    typer.echo(f'{out / "sweep.html"}')
    if all(outcome.results is None for outcome in outcomes):
        raise SourceError(f'no combination could be evaluated; {out / "sweep.csv"} says why')
