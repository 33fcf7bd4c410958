"""Names from outside as places on disk."""

from __future__ import annotations

import unicodedata
from pathlib import Path

from drift_ros.errors import SourceError

LONGEST, LONGEST_PART = 1024, 255  # bytes that every file system takes
UNPRINTABLE = ('Cc', 'Cs', 'Zl', 'Zp')  # control characters, broken UTF-8, ends of lines
SHOWN = 80  # characters of a refused name in its error


def below(folder: Path, name: str, what: str = 'the name') -> Path:
    """The place of a name below a folder. Every name from a file, a bag, a message or another
    machine becomes a path by this function, so that nothing outside is read, written or deleted.

    Args:
        folder: may be a link; what it leads to counts.
        name: parts with `/` between them. A part may be a link to a place in the folder.
        what: the name is, for the error.

    Returns:
        `folder / name`, which lies in the folder and is not the folder itself.

    Raises:
        SourceError: the name is none (see `check_name`), or goes through a link that leads out.
    """
    check_name(name, what)
    place = folder / name
    try:
        inside = folder.resolve() in place.resolve().parents
    except (OSError, RuntimeError) as error:  # a ring of links
        raise SourceError(f'{what} {name!r} is refused: {error}') from None
    if not inside:
        raise SourceError(
            f'{what} {name!r} is refused: {place} is a link that leads out of {folder}; put what '
            'it leads to in its place'
        )
    return place


def check_name(name: str, what: str = 'the name') -> str:
    """Let a name pass that can lie below a folder.

    Raises:
        SourceError: it is empty, absolute, has `..`, a backslash or control characters, or is too
            long for a path.
    """
    problem = _problem(name)
    if problem:
        shown = repr(name if len(name) <= SHOWN else f'{name[:SHOWN]}...')
        raise SourceError(
            f'{what} {shown} is refused: it {problem}; expected the name of something in a folder'
        )
    return name


def is_name(text: str) -> bool:
    """Whether a text can be the name of one file, without folders."""
    return not _problem(text) and '/' not in text


def _problem(name: str) -> str:
    """Why a name is no path below a folder; empty if it may be one."""
    parts = [part.encode(errors='surrogatepass') for part in name.split('/')]
    if not set(parts) - {b'', b'.'}:
        return 'names nothing in a folder'
    if name.startswith('/'):
        return 'is an absolute path'
    if b'..' in parts:
        return 'leads upwards'
    if '\\' in name or any(unicodedata.category(character) in UNPRINTABLE for character in name):
        return 'has a backslash or control characters'
    if max(map(len, parts)) > LONGEST_PART or sum(map(len, parts)) > LONGEST:
        return 'is too long for a path'
    return ''
