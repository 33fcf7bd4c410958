"""Options that say which tracker a command makes; `options.tracker_settings` takes them."""

from __future__ import annotations

from typing import Annotated

import typer

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
