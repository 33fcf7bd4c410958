"""`drift train-recognition`: trains the small network that recognizes targets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def train_recognition(
    out: Annotated[Path, typer.Option(help='Folder of the training.')],
    device: Annotated[str, typer.Option(help='auto, cpu, cuda or cuda:N.')] = 'auto',
    start: Annotated[
        Path | None, typer.Option(help='File of weights to begin with, of another training.')
    ] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            '--set',
            metavar='NAME=VALUE',
            help='One setting of the training, such as steps=12000 or workers=8; may be repeated.',
        ),
    ] = None,
) -> None:
    """Train to tell whether two views show the same thing, and how much larger it is in one.

    The folder gets the weights and checkpoints. Stop it whenever you like; the same command goes
    on.
    """
    from drift_ros.cli.options import assigned
    from drift_ros.cli.training import line, steps_bar
    from drift_ros.features.device import choose_device
    from drift_ros.settings import build
    from drift_ros.training.recognition.run import WEIGHTS, train
    from drift_ros.training.recognition.settings import RecognitionTraining

    settings = build(RecognitionTraining, dict(map(assigned, assignments or ())))
    bar = steps_bar()
    with bar:
        task = bar.add_task('rendering the first videos', total=None)

        def watch(step: int, means: dict[str, float]) -> None:
            now = 'training' if step < settings.steps else 'judging on videos held out'
            bar.update(task, description=now, completed=step, total=settings.steps)
            if means:
                bar.console.print(f'{step}  {line(means)}')

        folder = out.expanduser()
        found = train(folder, settings, choose_device(device), start, watch=watch)
    bar.console.print(f'on videos held out: {line(found)}')
    bar.console.print(f'the weights are in {folder / WEIGHTS}')
