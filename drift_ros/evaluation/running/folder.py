"""The output folder of an evaluation, which an equal run continues."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import drift_ros
from drift_ros.errors import DriftError, OutputError, SourceError
from drift_ros.evaluation.datasets import DataSet
from drift_ros.evaluation.methods import MethodSpec
from drift_ros.evaluation.places import SEQUENCES, sequence_folder
from drift_ros.evaluation.protocols import AnnotatedSequence
from drift_ros.evaluation.running.sequence import LABELS, delete_results
from drift_ros.evaluation.running.tasks import SCORE, Task
from drift_ros.evaluation.scores import Refusal, Score, SequenceScore, read_score
from drift_ros.runs.atomic import partial_files
from drift_ros.runs.locks import writing_alone
from drift_ros.runs.run_folder import FAILED, FINISHED, INTERRUPTED, RUN, RUNNING, RunFolder

COMMAND = 'evaluate'
REPORTS = ('results.json', 'results.csv', 'results.tex', 'report.html')
SHOWN = 8  # names of sequences that a difference lists

__all__ = ['FAILED', 'FINISHED', 'INTERRUPTED', 'RUNNING', 'EvaluationFolder', 'identity']


class EvaluationFolder:
    """run.json, a folder per sequence, and the results of all.

    Args:
        what: makes two runs equal, by name; values fit for JSON.

    Raises:
        OutputError: `run.json` there is not one of ours.
    """

    def __init__(self, path: Path, what: Mapping[str, Any]) -> None:
        self.path = path
        self._run = RunFolder(path, what)

    @property
    def continues(self) -> bool:
        """Whether an equal run began here."""
        return bool(self._run.earlier) and not self._run.differences()

    @contextmanager
    def begun(self, overwrite: bool = False) -> Iterator[None]:
        """Make the folder ready: go on where an equal run stopped, or begin. A context manager:
        no other evaluation can use the folder meanwhile.

        Args:
            overwrite: delete the results of an earlier evaluation, whatever it was. One that gave
                none, such as of misspelt settings, is deleted in any case.

        Raises:
            OutputError: another run is here and `overwrite` is not given, one is at work here,
                something is in the way that `drift evaluate` did not write, or the folder cannot be
                written.
        """
        with writing_alone(self.path):
            self._begin(overwrite)
            yield

    def _begin(self, overwrite: bool) -> None:
        self.of('any')  # refuses a link before anything is deleted
        command = self._run.earlier.get('run', {}).get('command')
        if self._run.earlier and command != COMMAND:
            raise OutputError(
                f'{self.path} holds a run of another command of drift ({command}): name another '
                'folder for the results'
            )
        if self._run.earlier and not self.continues:
            if not overwrite and any((self.path / SEQUENCES).rglob(SCORE)):
                raise OutputError(self._refusal())
            self._delete()
        elif self.continues and overwrite:
            self._delete()
        elif not self._run.earlier:
            results = [f'{SEQUENCES}/*', *REPORTS]  # an empty folder is of a run that had no room
            foreign = [name for name in results if any(self.path.glob(name))]
            if foreign:
                raise OutputError(
                    f'{self.path} holds {", ".join(foreign)} that no run of drift evaluate wrote: '
                    'name another folder for the results, or move them away'
                )
        try:
            (self.path / SEQUENCES).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f'cannot write the results to {self.path}: {error}') from None
        self.save(RUNNING)

    def save(self, state: str, **facts: Any) -> None:
        """Write run.json."""
        self._run.save(state, **facts)

    def of(self, name: str) -> Path:
        """Place of the results of a sequence (see `sequence_folder`)."""
        return sequence_folder(self.path, name)

    def score(self, name: str) -> Score | None:
        """The scores of a sequence that is done; None if it is not, or was refused."""
        try:
            found = read_score(self.of(name) / SCORE)
        except SourceError:
            return None
        if isinstance(found, Refusal) or found.name != name:
            return None
        return None if isinstance(found, SequenceScore) and not found.objects else found

    def task(self, sequence: AnnotatedSequence, pictures: bool) -> Task:
        """The work on a sequence."""
        return Task(sequence, self.of(sequence.name), pictures)

    def _refusal(self) -> str:
        differences = self._run.differences()
        shown = '; '.join(differences[:SHOWN])
        more = f'; and {len(differences) - SHOWN} more' if len(differences) > SHOWN else ''
        return (
            f'{self.path} holds the results of other settings: {shown}{more}. Name another folder, '
            'give the same settings to continue, or --overwrite to delete those results'
        )

    def _delete(self) -> None:
        """Delete what runs write here, and nothing else."""
        try:
            places = [*(self.path / SEQUENCES).rglob(SCORE)]
            places += (self.path / SEQUENCES).rglob(LABELS)  # of one that was broken off
            folders = {place.parent for place in places}
            for folder in sorted(folders, reverse=True):  # 'a/b' before 'a'
                delete_results(folder)
                _prune(folder, self.path / SEQUENCES)
            for name in (*REPORTS, RUN):
                for written in (self.path / name, *partial_files(self.path / name)):
                    written.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f'cannot delete the results in {self.path}: {error}') from None


def _prune(folder: Path, top: Path) -> None:
    """Delete a folder and those above it, up to `top`, as far as they are empty."""
    while folder != top and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent


def identity(dataset: DataSet, spec: MethodSpec, pictures: bool) -> dict[str, Any]:
    """What has to be equal for two evaluations to give the same results."""
    names = [sequence.name for sequence in dataset.sequences]
    shown = ', '.join(names) if len(names) <= SHOWN else f'{len(names)} ({_digest(names)})'
    return {
        'command': COMMAND,
        'version': drift_ros.__version__,
        'method': spec.name,
        'pictures': pictures,
        **dataset.facts,
        'path': str(dataset.path.resolve() if dataset.path.exists() else dataset.path),
        'sequences': shown,
        'data': _digest([_data(sequence) for sequence in dataset.usable]),
        'settings': dict(spec.settings),
    }


def _data(sequence: AnnotatedSequence) -> str:
    try:
        return f'{sequence.name} {sequence.digest}'
    except (DriftError, OSError):  # the run will say what is wrong with it
        return f'{sequence.name} unreadable'


def _digest(texts: list[str]) -> str:
    return hashlib.sha256('\n'.join(texts).encode()).hexdigest()[:16]
