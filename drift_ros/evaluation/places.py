"""Where the results of an evaluation lie."""

from __future__ import annotations

from pathlib import Path

from drift_ros.errors import OutputError
from drift_ros.paths import below

SEQUENCES = 'sequences'


def sequence_folder(results: Path, name: str) -> Path:
    """Place of the results of a sequence.

    Raises:
        SourceError: the name leads out of it.
        OutputError: the folder of all sequences is a link: whose files are in it is not known.
    """
    folder = results / SEQUENCES
    if folder.is_symlink():
        raise OutputError(f'{folder} is a link: remove it, or name another folder for the results')
    return below(folder, name, 'the name of a sequence')
