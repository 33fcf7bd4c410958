"""Results in the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from drift_ros.evaluation.reporting import tables
from drift_ros.evaluation.reporting.live import live_facts
from drift_ros.evaluation.reporting.reading import Results

TITLE = 20  # characters of a row's title that stay on one line


def rich_table(content: tables.Table, title: str | None = None) -> Table:
    """A table of the pages for the terminal."""
    table = Table(
        title=title and escape(title),
        title_justify='left',
        box=None,
        header_style='bold',
        padding=(0, 1, 0, 0),
    )
    first, *others = content['heads']
    longest = max((len(line['title']) for line in content['rows']), default=0)
    table.add_column(escape(first), overflow='fold', min_width=min(longest, TITLE))
    for head in others:
        table.add_column(escape(head).replace(' ', '\n'), justify='right', overflow='fold')
    for line in content['rows']:
        cells = [escape(line['title']), *map(escape, line['cells'])]
        table.add_row(*cells, style='bold' if line['strong'] else '')
    return table


def print_results(record: Mapping[str, Any], console: Console | None = None) -> None:
    """A row per sequence in percent, their mean over all objects or joints, and what was refused.

    Args:
        console: None: stdout.
    """
    console, results = console or Console(), Results(Path(), record)
    if results.sequences:
        console.print(rich_table(tables.sequences(results, mean=True)))
    for name, reason in results.refused.items():
        console.print(f'{name}: {reason}', style='red', markup=False, soft_wrap=True)
    print_plain(console, '{}: {} of {} sequences'.format(results.method, *results.count))


def print_live(console: Console, entry: Mapping[str, Any]) -> None:
    """The accuracy of every object and the facts of a live run: a sequence in `results.json`."""
    if entry['objects']:
        console.print(rich_table(tables.objects(entry)))
    for name, fact in live_facts(entry['live']).items():
        print_plain(console, f'{name}: {fact}')


def print_plain(console: Console, text: object) -> None:
    """A line as it is, however long."""
    console.print(str(text), highlight=False, markup=False, soft_wrap=True)
