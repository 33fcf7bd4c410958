"""What `drift evaluate` prints at the end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from drift_ros.evaluation.reporting.reading import MEASURES
from drift_ros.evaluation.reporting.tables import MAIN, mib, percent, seconds

MEAN, JOINTS_MEAN = 'mean over objects', 'mean over joints'
WIDE = 120  # columns from which on recall and decay are shown


def print_table(record: Mapping[str, Any], console: Console | None = None) -> None:
    """A row per sequence in percent, their mean over all objects or joints, and what was refused.

    Args:
        record: content of results.json.
        console: where to; None: stdout.
    """
    console = console or Console()
    measures = [name for name in MEASURES if name in record['mean']]
    if console.width < WIDE:
        measures = [name for name in measures if name in MAIN]
    table = Table(box=None, header_style='bold')
    table.add_column('sequence', overflow='fold', min_width=len(MEAN))
    poses = any(name.startswith('PCK') for name in measures)
    parts = 'joints' if poses else 'objects'
    for name in (parts, *measures, *(() if poses else ('switches',)), 's/frame', 'MiB'):
        table.add_column(name, justify='right')
    for name, entry in record['sequences'].items():
        table.add_row(
            Text(name),
            str(len(entry.get('objects', ()))),
            *(percent(entry.get(measure)) for measure in measures),
            *(() if poses else (str(entry.get('switches', '')),)),
            seconds(entry.get('seconds_per_frame')),
            mib(entry.get('memory')),
        )
    count, total = record['count']
    mean = record['mean']
    if count:
        counts = [len(entry.get('objects', ())) for entry in record['sequences'].values()]
        table.add_section()
        table.add_row(
            JOINTS_MEAN if poses else MEAN,
            str(max(counts) if poses else sum(counts)),
            *(percent(mean.get(measure)) for measure in measures),
            *(() if poses else (str(mean.get('switches', '')),)),
            style='bold',
        )
        console.print(table)
    for name, reason in record['refused'].items():
        console.print(f'{name}: {reason}', style='red', markup=False, soft_wrap=True)
    console.print(f'{record["method"]}: {count} of {total} sequences', markup=False)
