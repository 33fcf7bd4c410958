"""`drift extractors` and `drift settings`: what there is to choose from."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command('extractors')(extractors)


def extractors() -> None:
    """List the feature extractors."""
    from rich.console import Console
    from rich.table import Table

    from drift_ros.features import EXTRACTORS

    table = Table('name', 'description', box=None, header_style='bold')
    for name, entry in EXTRACTORS.items():
        table.add_row(name, entry.description)
    Console().print(table)
