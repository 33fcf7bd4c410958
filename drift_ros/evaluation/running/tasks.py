"""One sequence of an evaluation as a piece of work that any process can do."""

from __future__ import annotations

import copy
import dataclasses
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drift_ros.errors import DriftError, OutputError
from drift_ros.evaluation.poses import PoseSequence
from drift_ros.evaluation.protocols import AnnotatedSequence, Method
from drift_ros.evaluation.running.poses import run_poses
from drift_ros.evaluation.running.sequence import OnFrame, nothing, run_sequence
from drift_ros.evaluation.scores import Refusal, Score
from drift_ros.runs.atomic import make_folder, write_text

log = logging.getLogger(__name__)

SCORE = 'score.json'


@dataclass(frozen=True)
class Task:
    """A sequence to evaluate.

    Attributes:
        pictures: whether to draw them.
    """

    sequence: AnnotatedSequence
    folder: Path
    pictures: bool = True


def run_task(task: Task, method: Method, on_frame: OnFrame = nothing) -> Score | Refusal:
    """Track and score a sequence, and write what came of it; last of all score.json.

    Whatever is wrong with one sequence makes a refusal, so that the others go on.

    Raises:
        OutputError: the results cannot be written; no other sequence could be either.
    """
    found: Score | Refusal
    try:
        found = _run(task, method, on_frame)
    except OutputError:
        raise
    except DriftError as error:
        found = Refusal(task.sequence.name, str(error))
    except (Exception, SystemExit) as error:  # of a method from elsewhere, or out of memory
        log.debug('sequence %s failed', task.sequence.name, exc_info=True)
        reason = f'{method.name} failed: {type(error).__name__}: {error}'
        found = Refusal(task.sequence.name, ' '.join(reason.split()))
    write_score(task.folder, found)
    return found


def _run(task: Task, method: Method, on_frame: OnFrame) -> Score:
    sequence = copy.copy(task.sequence)  # what it keeps to read faster goes with it
    if isinstance(sequence, PoseSequence):
        return run_poses(sequence, method, task.folder, task.pictures, on_frame)
    return run_sequence(sequence, method, task.folder, task.pictures, on_frame)


def write_score(folder: Path, found: Score | Refusal) -> None:
    """Write score.json: the scores, or the reason of a refusal as `refused`.

    Raises:
        OutputError: it cannot be written.
    """
    record: dict[str, Any]
    if isinstance(found, Refusal):
        record = {'name': found.name, 'refused': found.reason}
    else:
        record = dataclasses.asdict(found)
    write_text(make_folder(folder) / SCORE, json.dumps(record, allow_nan=False) + '\n')
