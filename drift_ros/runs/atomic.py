"""Files that are there as a whole or not at all, and the folders that they lie in."""

from __future__ import annotations

import csv
import glob
import io
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from drift_ros.errors import OutputError, first_line


def make_folder(path: Path) -> Path:
    """Make a folder and those above it, unless they are there.

    Raises:
        OutputError: that is not possible.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f'cannot make the folder {path}: {error}') from None
    return path


def write_whole(path: Path, write: Callable[[Path], object]) -> Path:
    """Write a file in one step: whoever reads it meanwhile sees the old or the new one.

    Args:
        write: writes to the path that it is given; it may raise OSError, or RuntimeError as torch
            does.

    Raises:
        OutputError: it cannot be written there.
    """
    temporary = path.with_name(f'.{path.name}.{os.getpid()}.part')
    try:
        write(temporary)
        os.replace(temporary, path)
    except (OSError, RuntimeError) as error:
        temporary.unlink(missing_ok=True)
        raise OutputError(f'cannot write {path}: {first_line(error)}') from None
    return path


def partial_files(path: Path) -> list[Path]:
    """What processes that were killed in `write_whole` of a file left beside it."""
    return [*path.parent.glob(f'.{glob.escape(path.name)}.*.part')]


def write_text(path: Path, text: str) -> Path:
    """Write a text file in UTF-8 in one step; see `write_whole`."""
    return write_whole(path, lambda part: part.write_text(text, encoding='utf-8'))


def write_csv(path: Path, rows: Iterable[Sequence[object]]) -> Path:
    """Write a table in one step, None as an empty cell; see `write_whole`."""
    text = io.StringIO()
    csv.writer(text, lineterminator='\n').writerows(rows)
    return write_text(path, text.getvalue())
