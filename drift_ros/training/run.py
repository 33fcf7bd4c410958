"""A whole training: batches in, checkpoints and records out, until the time is over."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch.utils.data import Dataset

from drift_ros.errors import CheckpointError, OutputError
from drift_ros.features.embedded.create import load
from drift_ros.features.embedded.extractor import EmbeddedExtractor
from drift_ros.runs.atomic import make_folder
from drift_ros.training.data import TrackedClip, batches
from drift_ros.training.record import MeanLosses, Table, describe
from drift_ros.training.settings import TrainingSettings
from drift_ros.training.trainer import Trainer
from drift_ros.training.validation import crossing_clips, validate

STATE, MODEL = 'state.pt', 'model'
LINE = 25  # steps per line of the table
CLIPS, WIDTH, HEIGHT = 4, 640, 480  # of the validation


@dataclass(frozen=True, slots=True)
class Plan:
    """How long, and how often what happens besides.

    Attributes:
        minutes: of training altogether, earlier parts counted in; validation and saving too.
        steps: of training altogether; 0: the minutes alone end it.
        save: minutes between checkpoints.
        validate: minutes between validations; 0: none but at the end.
    """

    minutes: float
    steps: int = 0
    save: float = 3.0
    validate: float = 5.0


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a training is.

    Attributes:
        share: of it that is over, 0..1.
        step: number of steps done.
        loss: newest mean loss of matching, or of denoising where nothing is matched; NaN before
            the first line of the table.
        score: newest J of the validation in percent; NaN before the first.
    """

    share: float
    step: int
    loss: float
    score: float


def train(
    folder: Path,
    settings: TrainingSettings,
    plan: Plan,
    device: torch.device,
    *,
    resume: bool = False,
    start: Path | None = None,
    data: Dataset[TrackedClip] | None = None,
    watch: Callable[[Progress], None] = lambda progress: None,
) -> Trainer:
    """Train, or go on with a training.

    Writes `state.pt` (all that is needed to go on), `model/` (the averaged weights in half
    precision, which is what the package ships), `losses.csv` and `losses.png`,
    and `training.json` (settings, seeds, versions). With the same settings and number of steps
    every step repeats bit by bit on the same machine, however often the training paused; where
    minutes end it, the point at which the learning rate begins to fall goes by the clock.

    Args:
        start: folder of a model or of a training whose weights are taken over where they fit.
        resume: go on from `folder`; otherwise the folder must not hold a training.
        data: clips by number; None renders them.
        watch: called with the progress after every step.

    Raises:
        OutputError: the folder holds a training and `resume` is not given, there is nothing to
            resume, or it cannot be written to.
        CheckpointError: the state cannot be read, or was made with other settings.
    """
    state = folder / STATE
    if resume != state.is_file():
        raise OutputError(
            f'{folder} holds no training to resume: leave --resume out'
            if resume
            else f'{folder} holds a training: go on with it by --resume, or choose another folder'
        )
    make_folder(folder)
    trainer = Trainer(settings, device)
    if resume:
        trainer.load(state)
    elif start is not None and not trainer.start_from(load(start, torch.float32)):
        raise CheckpointError(f'no weights of {start} fit this network: choose another start')
    describe(folder, settings, device)
    _Run(folder, trainer, plan, watch).go(data)
    return trainer


class _Run:
    def __init__(
        self, folder: Path, trainer: Trainer, plan: Plan, watch: Callable[[Progress], None]
    ) -> None:
        self._folder = folder
        self._trainer = trainer
        self._plan = plan
        self._watch = watch
        self._table = Table(folder, trainer.step_number)
        self._losses = MeanLosses()
        self._loss = self._score = float('nan')
        self._clips = crossing_clips(CLIPS, WIDTH, HEIGHT)

    def go(self, data: Dataset[TrackedClip] | None) -> None:
        trainer, plan = self._trainer, self._plan
        before = time.monotonic() - trainer.seconds
        saved = validated = trainer.seconds
        stream = batches(trainer.settings, trainer.step_number, trainer.device, data)
        while (share := self._share()) < 1:
            self._losses.add(trainer.step(next(stream), share))
            trainer.seconds = time.monotonic() - before
            if plan.validate and trainer.seconds - validated > 60 * plan.validate:
                self._validate()
                validated = trainer.seconds
            if trainer.step_number % LINE == 0:
                self._line()
            if trainer.seconds - saved > 60 * plan.save:
                self._save()
                saved = trainer.seconds
            self._watch(Progress(self._share(), trainer.step_number, self._loss, self._score))
        self._save()
        self._validate()
        self._line()

    def _share(self) -> float:
        by_time = self._trainer.seconds / (60 * self._plan.minutes)
        if self._plan.steps:
            return min(1.0, self._trainer.step_number / self._plan.steps)
        return min(1.0, by_time)

    def _line(self) -> None:
        means = self._losses.take()
        self._loss = means['denoising'] if math.isnan(means['matching']) else means['matching']
        trainer = self._trainer
        self._table.add([trainer.step_number, trainer.seconds, *means.values(), self._score])

    def _validate(self) -> None:
        trainer = self._trainer
        extractor = EmbeddedExtractor(
            'validation',
            trainer.averaged(),
            snr=trainer.settings.snr,
            seed=trainer.settings.seed,
            device=trainer.device,
            dtype=torch.float32,
        )
        self._score = validate(extractor, self._clips)

    def _save(self) -> None:
        model, part = make_folder(self._folder / MODEL), self._folder / f'.{MODEL}.part'
        try:
            self._trainer.averaged().half().save_pretrained(part)
            for file in part.iterdir():
                file.replace(model / file.name)
        except (OSError, SafetensorError) as error:
            raise OutputError(f'cannot write {model}: {error}') from None
        finally:
            shutil.rmtree(part, ignore_errors=True)
        self._trainer.save(self._folder / STATE)
