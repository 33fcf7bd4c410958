"""`drift generate`: a video from a video model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def generate(
    out: Annotated[Path, typer.Option(help='File for the video (mp4).')],
    prompt: Annotated[
        str, typer.Option(help='What the video shows; the embedded model takes none.')
    ] = '',
    model: Annotated[
        str, typer.Option(help='`cogvideox-2b`, `cogvideox-5b` or `embedded`.')
    ] = 'cogvideox-2b',
    checkpoint: Annotated[
        str, typer.Option(help='Folder of its weights, or an id; by default the published ones.')
    ] = '',
    guidance: Annotated[
        str,
        typer.Option(help='`none`, or `cag`: cross-attention guidance, for steadier motion.'),
    ] = 'none',
    cag_scale: Annotated[float, typer.Option(min=0, help='Scale of `cag`.')] = 1.0,
    cag_layers: Annotated[
        str | None,
        typer.Option(metavar='N,N', help='Layers that `cag` cuts; by default those of the paper.'),
    ] = None,
    cfg_scale: Annotated[
        float, typer.Option(min=0, help='Scale of guidance by the prompt; 1 leaves it out.')
    ] = 6.0,
    size: Annotated[
        str | None, typer.Option(metavar='HxW', help='In px; by default that of the training.')
    ] = None,
    frames: Annotated[int | None, typer.Option(min=1, help='Number of frames.')] = None,
    steps: Annotated[int | None, typer.Option(min=1, help='Steps of the sampler.')] = None,
    fps: Annotated[float | None, typer.Option(min=0.001, help='Frames per second.')] = None,
    seed: Annotated[int, typer.Option(min=0, help='Seed of the noise.')] = 0,
    device: Annotated[str, typer.Option(help='`auto`, `cpu`, `cuda`, ...')] = 'auto',
    dtype: Annotated[
        str, typer.Option(help='`auto`, `float32`, `bfloat16` or `float16`.')
    ] = 'auto',
) -> None:
    """Generate a video, with cross-attention guidance or without."""
    from drift_ros.errors import OutputError, SettingsError
    from drift_ros.generation.models import GENERATORS, Request
    from drift_ros.io.video import VideoWriter

    if model not in GENERATORS:
        raise SettingsError(f'--model is {model!r}, expected one of {", ".join(GENERATORS)}')
    if guidance not in ('none', 'cag'):
        raise SettingsError(f'--guidance is {guidance!r}, expected none or cag')
    chosen = GENERATORS[model]
    height, width = _numbers(size, 'x', '--size', 2) if size else chosen.size
    layers = chosen.cag_layers
    if cag_layers is not None:
        layers = _numbers(cag_layers, ',', '--cag-layers')
    request = Request(
        prompt=prompt,
        checkpoint=checkpoint,
        size=(height, width),
        frames=frames or chosen.frames,
        steps=steps or chosen.steps,
        cfg_scale=cfg_scale,
        cag_scale=cag_scale if guidance == 'cag' else 0.0,
        cag_layers=layers,
        seed=seed,
        device=device,
        dtype=dtype,
    )
    place = out.expanduser()
    video = chosen.generate(request)
    try:
        with VideoWriter(place, fps or chosen.fps, request.size) as writer:
            for picture in video:
                writer.write(picture)
    except OutputError:
        place.unlink(missing_ok=True)
        raise
    typer.echo(str(place))


def _numbers(text: str, between: str, option: str, count: int = 0) -> tuple[int, ...]:
    from drift_ros.errors import SettingsError

    parts = text.split(between)
    if not all(part.strip().isdecimal() for part in parts) or count not in (0, len(parts)):
        raise SettingsError(
            f'{option} {text!r} must be {count or "some"} numbers with {between!r} between them'
        )
    return tuple(int(part) for part in parts)
