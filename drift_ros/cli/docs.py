"""`drift docs`: writes the pages and files that are made from declarations."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

YAML_HEADER = """\
# Parameters of the tracker node, with their defaults.
#
# Made by `drift docs`: copy this file, do not edit it. The command line (`drift track --config`)
# reads the same format. What is marked with * may change while the node runs; set the others before
# it is configured. What is marked with + may differ between cameras (docs/cameras.md).
/**:
  ros__parameters:
"""
PARAMETERS_HEADER = """\
# Parameters

All parameters of the node `tracker`, and the settings of `drift track` (which ignores the ones that
are only for the node). Those marked with * may change while the node runs; the others while it is
not configured. Where the node has several cameras, `<camera>.<name>` sets one that is marked with +
for one of them ([several cameras](../cameras.md)). A value out of range and an unknown name are
refused. Made by `drift docs` from the models in `drift_ros/settings/` and
`drift_ros/node_settings.py`.

"""
INTERFACES_HEADER = """\
# Interfaces

The messages and services of the package. Made by `drift docs` from `msg/` and `srv/`.
"""


def docs(
    root: Annotated[Path, typer.Option(help='Root of the source tree.')] = Path(),
    check: Annotated[
        bool, typer.Option('--check', help='Write nothing; fail if something is out of date.')
    ] = False,
) -> None:
    """Write config/tracker.yaml and docs/reference/ from the declarations."""
    from drift_ros.errors import OutputError

    if not (root / 'package.xml').is_file():
        raise OutputError(f'{root.resolve()} is not the source tree: give its folder with --root')
    for name, text in pages().items():
        path = root / name
        if path.is_file() and path.read_text() == text:
            continue
        if check:
            raise OutputError(f'{name} is out of date: run `drift docs` and commit what it writes')
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        typer.echo(f'wrote {path}')


def pages() -> dict[str, str]:
    """Path below the root -> text of every generated file."""
    from drift_ros.node_settings import NodeSettings
    from drift_ros.reference import commented_yaml, markdown_table

    return {
        'config/tracker.yaml': YAML_HEADER + commented_yaml(NodeSettings(), indent='    '),
        'docs/reference/parameters.md': PARAMETERS_HEADER + markdown_table(NodeSettings()),
        'docs/reference/interfaces.md': INTERFACES_HEADER + _interfaces(),
    }


def _interfaces() -> str:
    from drift_ros import interfaces

    return ''.join(
        f'\n## {name}\n\n```\n{interfaces.definition(name).strip()}\n```\n'
        for name in interfaces.names()
    )
