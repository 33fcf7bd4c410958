"""Settings files: plain mappings, and parameters files of ROS 2."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from drift_ros import documents
from drift_ros.documents import DocumentError
from drift_ros.errors import SettingsError

NODE = 'tracker'  # of several nodes in one file, the one that is meant
PARAMETERS = 'ros__parameters'


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Dotted names and values of a settings file.

    Takes a plain nested mapping as well as a ROS 2 parameters file: `ros__parameters` below the
    names of nodes, with or without namespaces, and below wildcards such as `/**`. As in ROS, what
    wildcards say comes first, and what the node's own entry says goes over it. The node is the one
    called `tracker` in any namespace, or else the only one of the file.

    Raises:
        SettingsError: the file cannot be read, is not a mapping, or does not tell which of its
            nodes is meant.
    """
    path = Path(path)
    try:
        content = documents.read_yaml(path)
    except DocumentError as error:
        raise SettingsError(f'cannot read settings from {path}: {error}') from None
    content = {} if content is None else content
    if not isinstance(content, dict):
        raise SettingsError(
            f'{path} must hold a mapping of settings, it holds a {type(content).__name__}'
        )
    nodes = list(_nodes(content))
    if all(name is None for name, _ in nodes):
        return _flat(content)
    flat: dict[str, Any] = {}
    for name, parameters in _chosen(nodes, path):
        if not isinstance(parameters, dict | None):
            raise SettingsError(
                f'{path}: ros__parameters of {name} must be a mapping of settings, it is a '
                f'{type(parameters).__name__}'
            )
        flat |= _flat(parameters or {})
    return flat


def _nodes(content: Mapping[Any, Any], above: str = '') -> Iterator[tuple[str | None, Any]]:
    """Full name and parameters of each node; a value that belongs to no node has the name None."""
    for key, value in content.items():
        name = f'{above}/{str(key).strip("/")}'
        if not isinstance(value, dict):
            yield None, key
            continue
        if PARAMETERS in value:
            yield name, value[PARAMETERS]
        yield from _nodes({k: v for k, v in value.items() if k != PARAMETERS}, name)


def _chosen(nodes: Sequence[tuple[str | None, Any]], path: Path) -> list[tuple[str, Any]]:
    """The entries that speak of the tracker's node, the most general ones first."""
    stray = [str(value) for name, value in nodes if name is None]
    if stray:
        raise SettingsError(
            f'{path}: {", ".join(stray)} must stand below the {PARAMETERS} of a node, as the other '
            'settings of the file do'
        )
    entries = [(name, value) for name, value in nodes if name is not None]
    general = [(n, v) for n, v in entries if n.endswith('*')]
    named = [(n, v) for n, v in entries if not n.endswith('*')]
    own = [(n, v) for n, v in named if n.rsplit('/', 1)[1] == NODE]
    names = sorted({name for name, _ in own or named})
    if len(names) < 2:
        return general + (own or named)
    if general and not own:
        return general
    raise SettingsError(
        f'{path} has settings of several nodes, {", ".join(names)}, and does not tell which are '
        f'those of the tracker: keep one of them, or call it {NODE!r} and no other'
    )


def _flat(nested: Mapping[str, Any], prefix: str = '') -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in nested.items():
        if isinstance(value, dict):
            flat |= _flat(value, f'{prefix}{name}.')
        else:
            flat[f'{prefix}{name}'] = value
    return flat
