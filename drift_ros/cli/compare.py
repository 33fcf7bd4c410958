"""`drift compare`: evaluations beside each other, with paired differences."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def compare(
    folders: Annotated[
        list[Path],
        typer.Argument(
            metavar='DIR...',
            help='Folders that `drift evaluate` wrote; the others are compared with the first.',
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help='Folder for compare.html, compare.csv and compare.json.')
    ] = None,
) -> None:
    """Compare evaluations: means, time, memory, and differences over the sequences of both.

    Differences come with a 95 % bootstrap interval over sequences.
    """
    from rich.console import Console

    from drift_ros.evaluation.reporting import compare_files
    from drift_ros.evaluation.reporting.comparison import compare as compared
    from drift_ros.evaluation.reporting.reading import read_results
    from drift_ros.evaluation.reporting.terminal import print_plain, rich_table

    comparison = compared([read_results(folder.expanduser()) for folder in folders])
    console = Console()
    console.print(rich_table(compare_files.means_table(comparison), 'Means [%]'))
    differences = compare_files.differences_table(comparison)
    console.print(rich_table(differences, 'Paired differences [percent points]'))
    for line in (compare_files.METHOD, *comparison.notes):
        print_plain(console, line)
    if out is not None:
        for path in compare_files.write_comparison(comparison, out.expanduser()):
            print_plain(console, path)
