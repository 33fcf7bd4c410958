"""Options that several commands take; `options.tracker_settings` takes those of a tracker."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Source = Annotated[
    Path,
    typer.Argument(
        metavar='INPUT',
        help='Bag (folder, .mcap, .db3), video file, or folder of jpg or png frames.',
    ),
]
Topic = Annotated[
    str | None, typer.Option(help='Image topic of the bag; needed if it has several.')
]
Overwrite = Annotated[
    bool, typer.Option('--overwrite', help='Delete what an earlier run wrote to the folder.')
]
Features = Annotated[
    str | None, typer.Option(help='Feature extractor; `drift extractors` lists them.')
]
Device = Annotated[str | None, typer.Option(help='auto, cpu, cuda or cuda:N.')]
Config = Annotated[
    str | None, typer.Option(help='Settings or node parameters file, or a preset by name.')
]
Assignments = Annotated[
    list[str] | None,
    typer.Option(
        '--set',
        metavar='NAME=VALUE',
        help='One setting; may be repeated. `drift settings` lists them.',
    ),
]
Fps = Annotated[
    float | None, typer.Option(help='Frames per second of a folder (24) or video (its own).')
]
