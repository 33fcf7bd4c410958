"""`drift extractors`, `drift presets` and `drift settings`: what there is to choose from."""

from __future__ import annotations

import typer


def extractors() -> None:
    """List the feature extractors."""
    from rich.console import Console
    from rich.table import Table

    from drift_ros.features import EXTRACTORS

    table = Table('name', 'description', box=None, header_style='bold')
    for name, entry in EXTRACTORS.items():
        table.add_row(name, entry.description)
    Console().print(table)


def presets() -> None:
    """List the presets, which `drift track --config NAME` and the node's params_file take."""
    from rich.console import Console
    from rich.table import Table

    from drift_ros.cli.options import preset_files

    table = Table('name', 'what it is', box=None, header_style='bold', pad_edge=False)
    for name, file in preset_files().items():
        above = file.read_text().split('/**:')[0]
        lines = [line.lstrip('# ') for line in above.splitlines()]
        about = [line for line in lines if not line.startswith('Use:')]
        table.add_row(name, ' '.join(about).strip())
    Console().print(table)


def settings() -> None:
    """Print all settings of the tracker as YAML with defaults, ranges and descriptions.

    Save it, edit it, and give it to `drift track --config`; the node takes it as a group of
    parameters.
    """
    from drift_ros.reference import commented_yaml
    from drift_ros.settings import TrackerSettings

    typer.echo(commented_yaml(TrackerSettings()).lstrip('\n'), nl=False)
