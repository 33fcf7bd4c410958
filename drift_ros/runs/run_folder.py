"""The output folder of a run: who wrote it, with what, and what may be deleted again."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from drift_ros.documents import DocumentError, read_json
from drift_ros.errors import OutputError, SourceError
from drift_ros.paths import below, check_name
from drift_ros.runs.atomic import partial_files, write_text

RUN, FILES = 'run.json', 'files.txt'
LONGEST = 500  # characters of an error that is kept where the disk is full
ROOM = 6 * LONGEST  # bytes
RUNNING, FINISHED, INTERRUPTED, FAILED = 'running', 'finished', 'interrupted', 'failed'


class RunFolder:
    """A folder that one run writes.

    `run.json` says what was asked for and how far it came; `files.txt` lists every file before it
    is made, so that nothing else is ever deleted, even if a run was killed.

    Args:
        identity: what makes two runs equal, by name; values fit for JSON.

    Raises:
        OutputError: `run.json` there is not one of ours.
    """

    def __init__(self, path: Path, identity: Mapping[str, Any]) -> None:
        self.path = path
        self._record: dict[str, Any] = {'run': json.loads(json.dumps(dict(identity)))}
        self._files: TextIO | None = None
        self._earlier = self._read()

    @property
    def finished(self) -> bool:
        """Whether an equal run has finished here."""
        return self._state() == FINISHED and not self.differences()

    @property
    def earlier(self) -> dict[str, Any]:
        """The record of the earlier run; empty if there was none."""
        return self._earlier

    def differences(self) -> list[str]:
        """What the earlier run was asked for that this one is not, in words."""
        before, now = _flat(self._earlier.get('run', {})), _flat(self._record['run'])
        return [
            f'{name} was {before.get(name)!r} and is {now.get(name)!r}'
            for name in dict.fromkeys([*before, *now])
            if before.get(name) != now.get(name)
        ]

    def begin(self, overwrite: bool, names: Sequence[str]) -> None:
        """Make the folder ready to be written.

        Args:
            names: files and folders that this run is going to make in it.

        Raises:
            OutputError: an earlier run is here and `overwrite` is not given; one of `names` exists
                that no run wrote; or the folder cannot be written.
        """
        if self._earlier and not overwrite:
            raise OutputError(self._refusal())
        try:
            if self._earlier:
                self._delete()
            foreign = [name for name in names if os.path.lexists(self.path / name)]
            if foreign:
                raise OutputError(
                    f'{self.path} holds {", ".join(foreign)} that no run of drift wrote: name '
                    'another folder for the results, or move them away'
                )
            self.path.mkdir(parents=True, exist_ok=True)
            self.save(RUNNING)
            self._files = (self.path / FILES).open('w', encoding='utf-8', buffering=1)
        except OSError as error:
            raise OutputError(f'cannot write the results to {self.path}: {error}') from None

    def created(self, path: Path) -> None:
        """Note a file before it is made.

        Raises:
            SourceError: its name cannot stand in a list.
            OutputError: the list cannot be written.
        """
        assert self._files is not None, 'the run has not begun'
        name = check_name(path.relative_to(self.path).as_posix())
        try:
            self._files.write(f'{name}\n')
        except OSError as error:
            raise OutputError(f'cannot write {self.path / FILES}: {error}') from None

    def save(self, state: str, **facts: Any) -> None:
        """Write `run.json`, as a whole or not at all.

        Where the disk is full, the state and the error are written into the room that the earlier
        record takes, so that it does not say that the run goes on.

        Raises:
            OutputError: it cannot be written.
        """
        begun = {**self._record, 'state': state, 'error': str(facts.get('error', ''))[:LONGEST]}
        self._record |= {'state': state, **facts}
        text = json.dumps(self._record, indent=2) + '\n'
        try:
            # a record of a run at work gets room for that of one that failed
            write_text(self.path / RUN, text + ' ' * ROOM if state == RUNNING else text)
        except OutputError:
            if state == RUNNING or not self._rewrite(json.dumps(begun, indent=2)):
                raise

    def _rewrite(self, text: str) -> bool:
        """Write a record over the earlier one, if it fits in."""
        data = text.encode()
        try:
            with (self.path / RUN).open('r+b') as file:
                room = len(file.read())
                if len(data) > room:
                    return False
                file.seek(0)
                file.write(data.ljust(room))
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Close the list of files."""
        if self._files is not None:
            with suppress(OSError):  # of a line that `created` could not write
                self._files.close()

    def _state(self) -> str:
        return str(self._earlier.get('state', ''))

    def _refusal(self) -> str:
        state = self._state()
        differences = self.differences()
        if differences:
            shown = '; '.join(differences[:4])
            more = f'; and {len(differences) - 4} more' if len(differences) > 4 else ''
            what = f'a run ({state}) of something else: {shown}{more}'
        else:
            what = f'the same run, but {"not finished" if state == RUNNING else state}'
            what += f' ({reason})' if (reason := self._earlier.get('error')) else ''
        return (
            f'{self.path} holds {what}. Name another folder, or give --overwrite to delete what '
            'that run wrote'
        )

    def _read(self) -> dict[str, Any]:
        place = self.path / RUN
        if self.path.exists() and not self.path.is_dir():
            raise OutputError(f'{self.path} is a file: name a folder for the results')
        if not place.exists():
            return {}
        try:
            record = read_json(place)
        except DocumentError as error:
            raise OutputError(
                f'cannot read {place} of an earlier run ({error}): name another folder for the '
                'results, or delete this file and what that run wrote'
            ) from None
        if not isinstance(record, dict) or not isinstance(record.get('run'), dict):
            raise OutputError(
                f'{place} was not written by drift: name another folder for the results'
            )
        return record

    def _delete(self) -> None:
        listed = self.path / FILES
        folders = set()
        names = listed.read_text(encoding='utf-8').splitlines() if listed.exists() else []
        for name in [*names, FILES, RUN]:
            try:
                file = below(self.path, name)
            except SourceError:
                continue  # somebody edited the list
            for written in (file, *partial_files(file)):
                if written.is_file() or written.is_symlink():
                    written.unlink()
                    folders.add(file.parent)
        for folder in folders - {self.path}:
            if not any(folder.iterdir()):
                folder.rmdir()


def _flat(identity: Mapping[str, Any]) -> dict[str, Any]:
    """The settings beside the rest, so that each difference is named by itself."""
    settings = identity.get('settings')
    plain = {name: value for name, value in identity.items() if name != 'settings'}
    return plain | (settings if isinstance(settings, dict) else {})
