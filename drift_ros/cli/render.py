"""`drift render`: synthetic video with its truth, as bags or as a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from drift_ros.synthetic import Video


def render(
    scene: Annotated[
        str,
        typer.Argument(
            help='A scene (`crossing`, `passing`, `random`), a set (`kubric-similar`, `similar-2` '
            'to `similar-6`, `comes-back`, `other-distance`, `long`), or one video of a set '
            '(`kubric-similar-03`).'
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            help='Bag or folder to write; it must not exist. The bags of a set go into it, each '
            'under the name of its video.'
        ),
    ],
    layout: Annotated[
        str, typer.Option(help='`bag`, or `davis`: a folder laid out as DAVIS is.')
    ] = 'bag',
    frames: Annotated[
        int | None,
        typer.Option(min=1, help='Number of frames; by default 96, and of sets their own.'),
    ] = None,
    width: Annotated[int | None, typer.Option(min=16, help='Width in px; by default 640.')] = None,
    height: Annotated[
        int | None, typer.Option(min=16, help='Height in px; by default 480.')
    ] = None,
    fps: Annotated[
        float | None,
        typer.Option(min=0.001, help='Frames per second; by default 24, and of sets their own.'),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, help='Seed of everything random, by default 0; sets fix their own.'),
    ] = None,
    noise: Annotated[
        float | None,
        typer.Option(
            min=0, help='Image noise in grey levels; by default 3, and of sets their own.'
        ),
    ] = None,
    split: Annotated[
        str,
        typer.Option(help='Of a set: `test` for reporting, `val` for choosing settings.'),
    ] = 'test',
    depth: Annotated[
        str, typer.Option(help='Depth in the bag: `16UC1` (mm) or `32FC1` (m).')
    ] = '16UC1',
) -> None:
    """Render labelled video: images, camera_info, aligned depth, true masks and positions."""
    from rich.console import Console

    from drift_ros import synthetic
    from drift_ros.errors import SettingsError
    from drift_ros.settings import build
    from drift_ros.synthetic.export import DEPTH_ENCODINGS

    if layout not in ('bag', 'davis'):
        raise SettingsError(f'--layout is {layout!r}, expected bag or davis')
    if depth not in DEPTH_ENCODINGS:
        raise SettingsError(f'--depth is {depth!r}, expected {" or ".join(DEPTH_ENCODINGS)}')
    if split not in ('test', 'val'):
        raise SettingsError(f'--split is {split!r}, expected test or val')
    given = {
        'frames': frames,
        'width': width,
        'height': height,
        'rate': fps,
        'seed': seed,
        'noise': noise,
    }
    values = synthetic.defaults(scene).model_dump()
    values |= {name: value for name, value in given.items() if value is not None}
    settings = build(synthetic.SceneSettings, values)
    videos = synthetic.create_set(scene, settings, 'val' if split == 'val' else 'test')
    console = Console(stderr=True)
    count = _write(scene, videos, len(videos) * settings.frames, out, layout, depth, console)
    console.print(f'{count} frames in {out}')


def _write(
    name: str,
    videos: Sequence[Video],
    total: int,
    out: Path,
    layout: str,
    depth: str,
    console: Console,
) -> int:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    from drift_ros.errors import OutputError
    from drift_ros.synthetic.export import write_bag, write_davis

    columns = (TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as progress:
        task = progress.add_task(f'render {name}', total=total)

        def advance(_: object) -> None:
            progress.advance(task)

        if layout == 'davis':
            write_davis(videos, out, advance)
        elif len(videos) == 1:
            write_bag(videos[0], out, depth, advance)
        else:
            if out.exists():
                raise OutputError(f'{out} exists: name another place, or remove it first')
            for video in videos:
                write_bag(video, out / video.name, depth, advance)
    return total
