"""Finds the data files that come with the package, however it was installed.

The folders `msg`, `srv`, `config` and `resource` lie at the root of the source tree; colcon
installs them to `<prefix>/share/drift_ros`, pip into the Python package as `drift_ros/share`.
"""

from __future__ import annotations

from pathlib import Path

from drift_ros.errors import DriftError

KINDS = ('config', 'msg', 'resource', 'srv')


class ResourceError(DriftError):
    """A data file of the package is asked for that it does not have."""


def folder(kind: str) -> Path:
    """Folder that holds the package's data files of one `kind`: one of `KINDS`.

    :raises ResourceError: unknown kind, or an installation without its data files.
    """
    if kind not in KINDS:
        raise ResourceError(f'unknown kind of data file {kind!r}; known are {", ".join(KINDS)}')
    tried = [root / kind for root in _roots()]
    for candidate in tried:
        if candidate.is_dir():
            return candidate
    places = ', '.join(str(candidate) for candidate in tried)
    raise ResourceError(f'the data files {kind!r} are not installed: looked in {places}; reinstall')


def path(kind: str, name: str) -> Path:
    """Path of the data file `name` of one `kind`, for example `path('config', 'tracker.yaml')`.

    :raises ResourceError: there is no such file; the message lists those that there are.
    """
    base = folder(kind)
    found = (base / name).resolve()
    if not found.is_file() or base.resolve() not in found.parents:
        known = ', '.join(names(kind)) or 'none'
        raise ResourceError(f'no file {name!r} among the data files {kind!r}; there are: {known}')
    return base / name


def names(kind: str, suffix: str = '') -> list[str]:
    """Sorted names, relative to `folder(kind)`, of the data files that end in `suffix`."""
    base = folder(kind)
    files = (file for file in base.rglob(f'*{suffix}') if file.is_file())
    return sorted(file.relative_to(base).as_posix() for file in files)


def _roots() -> list[Path]:
    here = Path(__file__)
    linked = here.resolve()
    roots = [linked.parents[1]] if (linked.parents[1] / 'package.xml').is_file() else []
    roots.append(here.parent / 'share')
    prefixes = (parent / 'share' / 'drift_ros' for parent in here.parents[1:])
    return roots + [prefix for prefix in prefixes if prefix.is_dir()]
