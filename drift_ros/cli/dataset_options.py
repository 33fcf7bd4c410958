"""Options that say which annotated sequences a command takes, and how they are read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from drift_ros.evaluation.datasets import Selection

Data = Annotated[
    str,
    typer.Argument(
        metavar='DATA',
        help='Folder of the data set; of kubric-similar the name of a rendered set, such as '
        '`kubric-similar` or `similar-3`.',
    ),
]
Layout = Annotated[str, typer.Option(help='How DATA is laid out; docs/evaluation.md has all.')]
Names = Annotated[
    list[str] | None,
    typer.Option('--sequences', help='Only these sequences: names with commas; may be repeated.'),
]
ListFile = Annotated[
    Path | None, typer.Option('--list', help='File with the names of sequences, one per line.')
]
Split = Annotated[
    str | None, typer.Option(help='Split of the data set; by default the one to report on.')
]
Resolution = Annotated[str, typer.Option(help='Folder of the pictures of DAVIS.')]
Merge = Annotated[
    bool, typer.Option('--merge', help='Take all objects for one, as DAVIS-2016 does.')
]
Limit = Annotated[
    int | None, typer.Option('--frames', min=3, help='Only the first frames of every sequence.')
]
Labels = Annotated[
    str | None, typer.Option(help='Topic of the true label maps in bags; needed for several.')
]
Image = Annotated[
    str | None, typer.Option(help='Image topic of bags; needed if there are several.')
]
Truth = Annotated[
    Path | None,
    typer.Option(help='Bag with the true label maps, or folder of bags; by default the same bags.'),
]
Tolerance = Annotated[
    float, typer.Option(min=0, help='Of stamps of an image and its truth in bags, in s.')
]
Side = Annotated[
    int,
    typer.Option(
        min=16, max=4096, help='Side in px of the square that images of poses are brought to.'
    ),
]


def selection(
    sequences: Sequence[str] | None,
    list_file: Path | None,
    split: str | None,
    resolution: str,
    merge: bool,
    frames: int | None,
    labels: str | None,
    image: str | None,
    truth: Path | None,
    tolerance: float,
    side: int = 320,
) -> Selection:
    """What the options select."""
    from drift_ros.evaluation.datasets import Selection

    names = (name.strip() for part in sequences or () for name in part.split(','))
    return Selection(
        sequences=tuple(name for name in names if name),
        list_file=list_file,
        split=split,
        resolution=resolution,
        merge=merge,
        limit=frames,
        labels=labels,
        image=image,
        tolerance=tolerance,
        truth=truth,
        side=side,
    )
