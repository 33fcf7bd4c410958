"""Files that are there as a whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from drift_ros.errors import OutputError


def write_text(path: Path, text: str) -> Path:
    """Write a text file in UTF-8 in one step: whoever reads it meanwhile sees the old or the new.

    Returns:
        The path.

    Raises:
        OutputError: it cannot be written there.
    """
    temporary = path.with_name(f'.{path.name}.{os.getpid()}.part')
    try:
        temporary.write_text(text, encoding='utf-8')
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise OutputError(f'cannot write {path}: {error}') from None
    return path
