"""`drift render`: a synthetic scene with its truth, as a bag or a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command('render')(render)


def render(
    scene: Annotated[str, typer.Argument(help='Name of the scene.')],
    out: Annotated[Path, typer.Option(help='Bag or folder to write; it must not exist.')],
    layout: Annotated[
        str, typer.Option(help='`bag`, or `davis`: a folder laid out as DAVIS is.')
    ] = 'bag',
    frames: Annotated[int, typer.Option(min=1, help='Number of frames.')] = 96,
    width: Annotated[int, typer.Option(min=16, help='Width in px.')] = 640,
    height: Annotated[int, typer.Option(min=16, help='Height in px.')] = 480,
    fps: Annotated[float, typer.Option(min=0.001, help='Frames per second.')] = 24.0,
    seed: Annotated[int, typer.Option(min=0, help='Seed of everything random.')] = 0,
    noise: Annotated[float, typer.Option(min=0, help='Image noise in grey levels.')] = 3.0,
    depth: Annotated[
        str, typer.Option(help='Depth in the bag: `16UC1` (mm) or `32FC1` (m).')
    ] = '16UC1',
) -> None:
    """Render a labelled scene: images, camera_info, aligned depth, true masks and positions."""
    from rich.console import Console

    from drift_ros import synthetic
    from drift_ros.errors import SettingsError
    from drift_ros.settings import build
    from drift_ros.synthetic.export import DEPTH_ENCODINGS, write_bag, write_davis

    if layout not in ('bag', 'davis'):
        raise SettingsError(f'--layout is {layout!r}, expected bag or davis')
    if depth not in DEPTH_ENCODINGS:
        raise SettingsError(f'--depth is {depth!r}, expected {" or ".join(DEPTH_ENCODINGS)}')
    values = {
        'frames': frames,
        'width': width,
        'height': height,
        'rate': fps,
        'seed': seed,
        'noise': noise,
    }
    made = synthetic.create(scene, build(synthetic.SceneSettings, values))
    console = Console(stderr=True)
    with console.status(f'rendering {len(made)} frames of {scene!r}'):
        if layout == 'bag':
            write_bag(made, out, depth)
        else:
            write_davis(made, out)
    console.print(f'{len(made)} frames in {out}')
