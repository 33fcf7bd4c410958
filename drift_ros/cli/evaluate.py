"""`drift evaluate`: a method on a data set with known objects, scored as benchmarks do."""

from __future__ import annotations

from contextlib import ExitStack, closing
from pathlib import Path
from typing import Annotated

import typer

from drift_ros.cli import dataset_options as options
from drift_ros.cli import tracker_options as tracker


def evaluate(
    data: options.Data,
    layout: options.Layout,
    out: Annotated[Path, typer.Option(help='Folder for the results; an equal run continues.')],
    features: Annotated[
        str | None,
        typer.Option(
            help='Feature extractor (`drift extractors` lists them), or `flow`: labels warped by '
            'optical flow.'
        ),
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(
            metavar='MODULE:FACTORY',
            help='A tracker of your own in place of ours: what FACTORY makes has step(frame, '
            'masks) -> labels.',
        ),
    ] = None,
    config: tracker.Config = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            '--set',
            metavar='NAME=VALUE',
            help='One setting, or one argument of --method; may be repeated.',
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
    side: options.Side = 320,
    queries: Annotated[
        str,
        typer.Option(
            metavar='first|strided',
            help='Which points are followed (tap-vid, rendered-points): each from where it is '
            'visible first, or all that are visible in every fifth frame, both ways.',
        ),
    ] = 'first',
    jobs: Annotated[
        int, typer.Option(min=1, help='Sequences at a time, each in a process with its own model.')
    ] = 1,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar='ADDRESS',
            help='Spread sequences over a Ray cluster: auto, host:port or ray://host:port; `local` '
            'starts one of this machine. See docs/cluster.md.',
        ),
    ] = None,
    ray_workers: Annotated[
        int | None, typer.Option(min=1, help='Workers of the cluster; by default all it holds.')
    ] = None,
    ray_gpus: Annotated[
        float | None,
        typer.Option(
            min=0, help='GPUs of each worker, such as 0.5; by default 1 where there are any.'
        ),
    ] = None,
    ray_cpus: Annotated[int, typer.Option(min=1, help='CPUs, and threads, of each worker.')] = 1,
    no_pictures: Annotated[
        bool, typer.Option('--no-pictures', help='Make no overlays and contact sheets.')
    ] = False,
    pca: Annotated[
        bool, typer.Option('--pca', help='Show features as colours in the report, by our tracker.')
    ] = False,
    rerun: Annotated[
        str | None,
        typer.Option(
            metavar='PATH|spawn',
            help='Record sequences for Rerun in an .rrd file as they are done, or show them in its '
            'viewer; needs the package rerun-sdk.',
        ),
    ] = None,
    overwrite: tracker.Overwrite = False,
) -> None:
    """Track every sequence of a data set from its first true masks and score the rest.

    Writes labels, overlays and scores per sequence as they come, then results.json, results.csv,
    results.tex and report.html. The same command again continues a run that was broken off.

    Exit codes: 0, all were scored; 2, nothing could be done; 3, some sequences were refused and the
    others scored; 130, broken off by Ctrl-C.
    """
    from drift_ros.cli import evaluate_points
    from drift_ros.cli.main import PARTLY, complain
    from drift_ros.cli.methods import choose_method
    from drift_ros.cli.options import preset_name
    from drift_ros.errors import SettingsError, SourceError
    from drift_ros.evaluation import running
    from drift_ros.evaluation.datasets import open_dataset
    from drift_ros.evaluation.methods import Ours
    from drift_ros.evaluation.reporting.features import write_feature_pictures
    from drift_ros.evaluation.reporting.latex import write_latex
    from drift_ros.evaluation.reporting.report import write_report
    from drift_ros.evaluation.reporting.rerun import RerunLog, RerunWatcher
    from drift_ros.evaluation.reporting.terminal import print_results
    from drift_ros.evaluation.running.on_ray import RayRunner
    from drift_ros.evaluation.running.progress import Bars

    if layout in evaluate_points.LAYOUTS:
        evaluate_points.evaluate_points(
            data, layout, out, features, config, device, assignments or (), sequences or (), split,
            frames, queries,
        )  # fmt: skip
        return
    selection = options.selection(
        sequences, list_file, split, resolution, merge, frames, labels, image, truth, tolerance,
        side,
    )  # fmt: skip
    spec = choose_method(features, method, config, device, assignments or ())
    if pca and not isinstance(spec, Ours):
        raise SettingsError(f'--pca shows the features of our extractors; {spec.name} has none')
    if ray is not None and jobs > 1:
        raise SettingsError('--jobs are processes of this machine; with --ray give --ray-workers')
    runner = None if ray is None else RayRunner(ray, ray_workers, ray_gpus, ray_cpus)
    dataset = open_dataset(layout, data, selection)
    how = running.Options(
        jobs=jobs,
        pictures=not no_pictures,
        overwrite=overwrite,
        preset=preset_name(config),
    )
    out = out.expanduser()
    with ExitStack() as stack:
        watcher: running.Watcher = stack.enter_context(Bars())
        if rerun is not None:
            log = stack.enter_context(closing(RerunLog(rerun)))
            watcher = RerunWatcher(watcher, log, dataset.usable, out)
        record = running.evaluate(dataset, spec, out, how, watcher, runner)
    print_results(record)
    if not record['sequences']:
        raise SourceError(f'no sequence of {data} could be evaluated; {out} says why')
    if pca and isinstance(spec, Ours):
        write_feature_pictures(out, dataset.usable, spec.tracker)
    write_latex(out)
    write_report(out, dataset.usable)
    typer.echo(f'{out / "report.html"}')
    if record['refused']:
        complain(f'{len(record["refused"])} of {len(dataset.sequences)} sequences were refused')
        raise typer.Exit(PARTLY)
