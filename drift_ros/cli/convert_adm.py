"""`drift convert-adm`: the original checkpoint of ADM becomes a folder of diffusers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def convert_adm(
    checkpoint: Annotated[
        Path, typer.Argument(metavar='PT', help='The original 256x256_diffusion_uncond.pt.')
    ],
    out: Annotated[
        Path, typer.Option(help='Folder to write, 2.2 GB; an older conversion is replaced.')
    ],
) -> None:
    """Convert the original checkpoint of ADM to a folder for `features.image.checkpoint`.

    The tracker does so by itself the first time it is given the .pt file. diffusers reads the
    folder too (UNet2DModel, DDPMPipeline).
    """
    from rich.console import Console
    from rich.progress import Progress

    from drift_ros.errors import OutputError
    from drift_ros.features.image.adm_conversion import convert

    out = out.expanduser()
    if out.exists() and not (out / 'unet').is_dir():
        raise OutputError(f'{out} exists and is no converted model: give another place with --out')
    console = Console(stderr=True)
    with Progress(console=console) as bar:
        task = bar.add_task('converting')

        def show(step: str, done: int, total: int) -> None:
            bar.update(task, description=step, completed=done, total=total)

        convert(checkpoint.expanduser(), out, progress=show)
    console.print(f'converted to {out}', highlight=False, soft_wrap=True)
