"""`drift train-embedded`: trains the small video model of the package."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def train_embedded(
    out: Annotated[Path, typer.Option(help='Folder of the training.')],
    minutes: Annotated[
        float, typer.Option(min=0.01, help='Minutes of training, earlier parts counted in.')
    ] = 25.0,
    device: Annotated[str, typer.Option(help='auto, cpu, cuda or cuda:N.')] = 'auto',
    resume: Annotated[bool, typer.Option(help='Go on with the training in the folder.')] = False,
    start: Annotated[
        Path | None,
        typer.Option(help='Folder of another training whose weights are taken where they fit.'),
    ] = None,
    steps: Annotated[
        int, typer.Option(min=0, help='Steps of training in place of the minutes; 0: the minutes.')
    ] = 0,
    validate: Annotated[
        float, typer.Option(min=0, help='Minutes between validations; 0: one at the end.')
    ] = 5.0,
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            '--set',
            metavar='NAME=VALUE',
            help='One setting of the training, such as batch=64 or network.depth=3; may be '
            'repeated.',
        ),
    ] = None,
) -> None:
    """Train to denoise and to match, on rendered video alone.

    The folder gets weights, checkpoints, losses and a log.

    Stop it whenever you like, and go on by --resume; the newest checkpoint is a few minutes old.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from drift_ros.cli.options import assigned
    from drift_ros.features.device import choose_device
    from drift_ros.settings import build
    from drift_ros.training import run
    from drift_ros.training.settings import TrainingSettings

    settings = build(TrainingSettings, dict(map(assigned, assignments or ())))
    plan = run.Plan(minutes, steps, validate=validate)
    console = Console(stderr=True)
    bar = Progress(
        TextColumn('step {task.fields[step]}'),
        BarColumn(),
        TextColumn('{task.percentage:.0f} %'),
        TimeElapsedColumn(),
        TextColumn('loss {task.fields[loss]:.4f}  J {task.fields[score]:.1f}'),
        console=console,
    )
    with bar:
        task = bar.add_task('', total=1.0, step=0, loss=float('nan'), score=float('nan'))

        def watch(now: run.Progress) -> None:
            bar.update(task, completed=now.share, step=now.step, loss=now.loss, score=now.score)

        trainer = run.train(
            out.expanduser(),
            settings,
            plan,
            choose_device(device),
            resume=resume,
            start=start,
            watch=watch,
        )
    console.print(f'{trainer.step_number} steps; the model is in {out / run.MODEL}')
