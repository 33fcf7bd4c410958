"""`drift convert`: frames, and labels that belong to them, become a bag."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated, Any

import typer


class Storage(str, enum.Enum):
    """File format of a bag."""

    mcap = 'mcap'
    sqlite3 = 'sqlite3'


def convert(
    frames: Annotated[Path, typer.Argument(help='Folder of jpg or png pictures, or video file.')],
    out: Annotated[Path, typer.Option(help='Bag to write; it must not exist.')],
    labels: Annotated[
        Path | None,
        typer.Option(
            help='Folder of label PNGs (value = id) with the names of the frames; for a video the '
            'numbers of the frames, counted from 0.'
        ),
    ] = None,
    camera_info: Annotated[
        Path | None, typer.Option(help='Calibration (YAML of camera_calibration).')
    ] = None,
    fps: Annotated[
        float | None,
        typer.Option(help='Frames per second [default: 24; of a video its own].'),
    ] = None,
    topic: Annotated[
        str, typer.Option(help='Topic of the images; labels and camera_info go beside it.')
    ] = '/camera/image',
    storage: Annotated[Storage, typer.Option(help='Format of the bag.')] = Storage.mcap,
    compressed: Annotated[
        bool,
        typer.Option(
            '--compressed',
            help='Write compressed images on TOPIC/compressed: the files as they are, frames of a '
            'video as JPEG.',
        ),
    ] = False,
) -> None:
    """Turn a folder of frames or a video into a bag, with labels and camera_info if given."""
    from rich.console import Console
    from rich.progress import Progress

    from drift_ros.io import conversion

    console = Console(stderr=True)
    with Progress(console=console) as progress:
        task = progress.add_task('converting', total=None)

        def show(done: int, total: int | None) -> None:
            progress.update(task, completed=done, total=total)

        written: Any = conversion.convert(
            frames,
            out,
            labels=labels,
            camera_info=camera_info,
            fps=fps,
            topic=topic,
            storage=storage.value,
            compressed=compressed,
            progress=show,
        )
    console.print(
        f'{written.frames} frames and {written.labels} label maps in {out}', highlight=False
    )
    if written.skipped:
        console.print(f'{written.skipped} frames were skipped', style='yellow')
