"""A method on a data set: from the sequences to the results."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from drift_ros.evaluation.datasets import DataSet
from drift_ros.evaluation.methods import MethodSpec
from drift_ros.evaluation.reporting.results import (
    pose_entry,
    pose_mean,
    results,
    sequence_entry,
    write_results,
)
from drift_ros.evaluation.running.folder import (
    FAILED,
    FINISHED,
    INTERRUPTED,
    EvaluationFolder,
    identity,
)
from drift_ros.evaluation.running.poses import check_method
from drift_ros.evaluation.running.tasks import Task, run_task, write_score
from drift_ros.evaluation.running.workers import run_tasks, visible_devices
from drift_ros.evaluation.scores import PoseScore, Refusal, Score

Found = Score | Refusal


class Watcher:
    """Gets the progress of an evaluation; this one says nothing of it."""

    def begin(self, done: int, count: int) -> None:
        """How many sequences were done before, and how many there are."""

    def frame(self, name: str, done: int, count: int) -> None:
        """How many frames of a sequence were put in, and how many it has."""

    def done(self, name: str, found: Found) -> None:
        """What came of a sequence."""


@dataclass(frozen=True)
class Options:
    """How an evaluation is run; none of it changes a number.

    Attributes:
        jobs: processes on this machine; 1: this one.
        pictures: whether to draw overlays and sheets.
        overwrite: delete the results of an earlier run.
        preset: name of the preset that the settings come from.
    """

    jobs: int = 1
    pictures: bool = True
    overwrite: bool = False
    preset: str | None = None


OnFrame = Callable[[Task, int, int], None]
OnDone = Callable[[Task, Found], None]
Runner = Callable[[list[Task], MethodSpec, OnFrame, OnDone], None]


def evaluate(
    dataset: DataSet,
    spec: MethodSpec,
    out: Path,
    options: Options | None = None,
    watcher: Watcher | None = None,
    runner: Runner | None = None,
) -> dict[str, Any]:
    """Track and score every sequence that is not done yet, and write the results of all.

    Args:
        out: folder of the results; an equal run that was broken off there is continued, and
            sequences that were refused are tried again.
        runner: does the tasks, elsewhere than on this machine; it reports frames and the
            outcome of each task.

    Returns:
        The content of results.json.

    Raises:
        OutputError: the folder holds something else, or cannot be written.
        DriftError: the method cannot be made, or cannot track what the data set shows.
    """
    options, watcher = options or Options(), watcher or Watcher()
    check_method(dataset.sequences, spec)
    folder = EvaluationFolder(out, identity(dataset, spec, options.pictures))
    with folder.begun(options.overwrite):
        return _evaluate(dataset, spec, folder, options, watcher, runner or _runner(options.jobs))


def _evaluate(
    dataset: DataSet,
    spec: MethodSpec,
    folder: EvaluationFolder,
    options: Options,
    watcher: Watcher,
    runner: Runner,
) -> dict[str, Any]:
    found: dict[str, Found] = {}
    tasks: list[Task] = []
    for sequence in dataset.sequences:
        if isinstance(sequence, Refusal):
            found[sequence.name] = sequence
            write_score(folder.of(sequence.name), sequence)
        elif (score := folder.score(sequence.name)) is not None:
            found[sequence.name] = score
        else:
            tasks.append(folder.task(sequence, options.pictures))
    watcher.begin(len(found), len(dataset.sequences))

    def on_done(task: Task, what: Found) -> None:
        found[task.sequence.name] = what
        watcher.done(task.sequence.name, what)

    def on_frame(task: Task, done: int, count: int) -> None:
        watcher.frame(task.sequence.name, done, count)

    state, problem = FAILED, ''
    try:
        if tasks:
            runner(tasks, spec, on_frame, on_done)
        ordered = {s.name: found[s.name] for s in dataset.sequences}
        record = _results(ordered, dataset, spec, options)
        write_results(folder.path, record)
        state = FINISHED
    except KeyboardInterrupt:
        state = INTERRUPTED
        raise
    except BaseException as error:
        problem = str(error) or type(error).__name__
        raise
    finally:
        folder.save(state, error=problem, done=len(found))
    return record


def _runner(jobs: int) -> Runner:
    if jobs == 1:
        return _run_here

    def run(tasks: list[Task], spec: MethodSpec, on_frame: OnFrame, on_done: OnDone) -> None:
        settings = spec.settings
        wanted = settings.get('features.device', settings.get('method.device'))
        devices = visible_devices(wanted)
        run_tasks(tasks, spec, jobs, devices, on_frame, on_done)

    return run


def _run_here(tasks: list[Task], spec: MethodSpec, on_frame: OnFrame, on_done: OnDone) -> None:
    method = spec.make()
    for task in tasks:
        on_done(task, run_task(task, method, partial(on_frame, task)))


def _results(
    found: Mapping[str, Found], dataset: DataSet, spec: MethodSpec, options: Options
) -> dict[str, Any]:
    scores = {name: f for name, f in found.items() if not isinstance(f, Refusal)}
    poses = [score for score in scores.values() if isinstance(score, PoseScore)]
    return results(
        {name: _entry(score) for name, score in scores.items()},
        {name: f.reason for name, f in found.items() if isinstance(f, Refusal)},
        method=spec.name,
        settings=spec.settings,
        dataset=dataset.facts,
        preset=options.preset,
        mean=pose_mean(poses) if poses else None,
    )


def _entry(score: Score) -> dict[str, Any]:
    return pose_entry(score) if isinstance(score, PoseScore) else sequence_entry(score)
