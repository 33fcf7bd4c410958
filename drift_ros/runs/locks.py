"""Folders that one process at a time may write."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from drift_ros.errors import OutputError


@contextmanager
def writing_alone(folder: Path) -> Iterator[None]:
    """Make a folder, and keep others who ask for it by this function out of it meanwhile.

    Nothing is left behind, even by a process that was killed. File systems that know no locks on
    folders, such as NFS, let everybody in.

    Raises:
        OutputError: somebody else is writing there, or it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise OutputError(f'cannot write the results to {folder}: {error}') from None
    try:
        with suppress(OSError):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise OutputError(
                    f'another run is writing to {folder} at this moment: wait until it has '
                    'finished, or name another folder'
                ) from None
        yield
    finally:
        os.close(descriptor)
