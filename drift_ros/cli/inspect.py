"""`drift extractors` and `drift settings`: what there is to choose from."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command('extractors')(extractors)
    app.command('settings')(settings)


def extractors() -> None:
    """List the feature extractors."""
    from rich.console import Console
    from rich.table import Table

    from drift_ros.features import EXTRACTORS

    table = Table('name', 'description', box=None, header_style='bold')
    for name, entry in EXTRACTORS.items():
        table.add_row(name, entry.description)
    Console().print(table)


def settings() -> None:
    """Print all settings of the tracker as YAML with defaults, ranges and descriptions.

    Save it, edit it, and give it to `drift track --config`; the node takes it as a group of
    parameters.
    """
    from drift_ros.reference import commented_yaml
    from drift_ros.settings import TrackerSettings

    typer.echo(commented_yaml(TrackerSettings()).lstrip('\n'), nl=False)
