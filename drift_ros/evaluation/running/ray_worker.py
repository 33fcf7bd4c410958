"""What a process of a Ray cluster does: it makes the method once and takes one task after the
other.
"""

from __future__ import annotations

import dataclasses
import os
import platform
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import drift_ros
from drift_ros.errors import DriftError, SourceError
from drift_ros.evaluation.methods import MethodSpec
from drift_ros.evaluation.protocols import AnnotatedSequence, Method
from drift_ros.evaluation.running.tasks import SCORE, Task, run_task
from drift_ros.evaluation.scores import Refusal, Score

Sizes = Mapping[Path, int]


@dataclass(frozen=True)
class Answer:
    """What came of a task.

    Attributes:
        files: path below the task's folder -> content, of all results but score.json.
    """

    found: Score | Refusal
    files: Mapping[str, bytes]


class Worker:
    """The actor. Errors that a user can resolve are returned, not raised.

    Args:
        device: where it is to run; None: as the settings say.
    """

    def __init__(self, spec: MethodSpec, device: str | None, threads: int) -> None:
        self._spec, self._device, self._threads = spec, device, threads
        self._method: Method | None = None

    def start(self, version: str, folder: str) -> DriftError | None:
        """Load what the method needs.

        Args:
            version: of the package on the machine that asks.
            folder: that it works in; relative paths and modules are looked for there.
        """
        import torch

        if version != drift_ros.__version__:
            return DriftError(
                f'{platform.node()} has drift_ros {drift_ros.__version__}, and this machine '
                f'{version}: install the same version on all machines of the cluster'
            )
        if os.path.isdir(folder):
            os.chdir(folder)
        torch.set_num_threads(self._threads)
        try:
            self._method = self._spec.make(self._device)
        except DriftError as error:
            return type(error)(f'{platform.node()}: {error}')
        return None

    def run(self, task: Task, sizes: Sizes) -> Answer | DriftError:
        """Do a task in a folder of this machine, and give back what was written there.

        Args:
            sizes: size of every file that its sequence reads, as the asking machine sees it.
        """
        assert self._method is not None, 'the worker has not started'
        for path, size in sizes.items():
            if not path.is_file() or path.stat().st_size != size:
                what = 'another size there' if path.is_file() else 'missing there'
                return SourceError(
                    f'the machine {platform.node()} of the cluster does not have the data: '
                    f'{path.absolute()} is {what}. The data set must lie at the same path on every '
                    'machine: on a network drive, or as a copy'
                )
        with tempfile.TemporaryDirectory(prefix='drift-') as folder:
            place = Path(folder) / 'results'
            try:
                found = run_task(dataclasses.replace(task, folder=place), self._method)
            except DriftError as error:
                return type(error)(f'{platform.node()}: {error}')
            return Answer(found, dict(_contents(place)))


def sizes_of(sequence: AnnotatedSequence) -> Sizes:
    """Size in bytes of every file that a sequence reads and that is there."""
    return {path: path.stat().st_size for path in sequence.files if path.is_file()}


def _contents(folder: Path) -> list[tuple[str, bytes]]:
    files = (file for file in sorted(folder.rglob('*')) if file.is_file() and file.name != SCORE)
    return [(file.relative_to(folder).as_posix(), file.read_bytes()) for file in files]
