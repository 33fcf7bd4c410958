"""Tables of the reports in the terminal."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table

from drift_ros.evaluation.reporting.tables import Table as Content


def rich_table(content: Content, title: str) -> Table:
    """A table of the pages for the terminal."""
    table = Table(title=escape(title), title_justify='left')
    for i, head in enumerate(content['heads']):
        table.add_column(escape(head), justify='left' if i == 0 else 'right', overflow='fold')
    for line in content['rows']:
        table.add_row(escape(line['title']), *map(escape, line['cells']))
    return table
