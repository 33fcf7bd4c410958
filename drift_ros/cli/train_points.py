"""`drift train-points`: trains the small network that decides where points are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def train_points(
    out: Annotated[Path, typer.Option(help='Folder of the training.')],
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            '--set',
            metavar='NAME=VALUE',
            help='One setting of the training, such as clips=1000 or seed=1; may be repeated.',
        ),
    ] = None,
) -> None:
    """Train to judge where points are, on rendered tracks alone.

    The folder gets the weights, checkpoints, and the videos, some 50 MB each. Stop it whenever you
    like; the same command goes on.
    """
    from drift_ros.cli.options import assigned
    from drift_ros.cli.training import line, steps_bar
    from drift_ros.settings import build
    from drift_ros.training.points.run import WEIGHTS, train
    from drift_ros.training.points.settings import PointTraining

    settings = build(PointTraining, dict(map(assigned, assignments or ())))
    bar = steps_bar()
    with bar:
        task = bar.add_task('rendering the first videos', total=None)

        def watch(part: str, step: int, count: int, means: dict[str, float]) -> None:
            bar.update(task, description=part, completed=step, total=count)
            if means:
                bar.console.print(f'{part} {step}  {line(means)}')

        folder = out.expanduser()
        train(folder, settings, watch=watch)
    bar.console.print(f'the weights are in {folder / WEIGHTS}')
