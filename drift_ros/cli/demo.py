"""`drift demo`: a scene or a bag through the real node, and a report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    out: Annotated[Path, typer.Option(help='Folder for everything that the demo leaves.')] = Path(
        'demo'
    ),
    bag: Annotated[
        Path | None,
        typer.Option(help='Play this bag instead of rendering a scene; needs --prompts.'),
    ] = None,
    prompts: Annotated[
        Path | None,
        typer.Option(help='Prompts file (YAML, JSON or annotated PNG) for the bag.'),
    ] = None,
    scene: Annotated[str, typer.Option(help='Scene to render.')] = 'passing',
    frames: Annotated[
        int | None,
        typer.Option(min=2, help='Frames of the scene, or of the bag: all of them if not given.'),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help='Seed of the scene.')] = 0,
    features: Annotated[
        str, typer.Option(help='Feature extractor (`drift extractors` lists them).')
    ] = '',
    config: Annotated[
        Path | None, typer.Option(help='Parameters of the node (YAML), as for `ros2 launch`.')
    ] = None,
    rate: Annotated[
        float,
        typer.Option(
            min=0,
            help='Speed relative to the stamps; 1 is real time, where a slow tracker drops '
            'frames. 0 sends frames as fast as the tracker answers, at most in real time.',
        ),
    ] = 0.0,
    image: Annotated[str, typer.Option(help='Image topic of the bag, if there are several.')] = '',
    depth: Annotated[str, typer.Option(help='Depth topic of the bag, aligned to the image.')] = '',
    overlay: Annotated[
        bool, typer.Option(help='Record the ~/overlay pictures of the node as well.')
    ] = True,
) -> None:
    """Play a scene or a bag into the tracker node over ROS 2, and report what it publishes.

    Leaves the played and the recorded bag, and what `drift score` makes of them: results.json,
    report.html, label maps; with overlay.mp4 and sheet.png.
    """
    from rich.console import Console

    console = Console(stderr=True)
    with console.status('load libraries'):  # seconds, on a small machine
        from drift_ros.demo.run import Options, run_demo

    options = Options(
        out=out,
        bag=bag,
        prompts=prompts,
        scene=scene,
        frames=frames,
        seed=seed,
        features=features,
        config=config,
        rate=rate,
        image=image,
        depth=depth,
        overlay=overlay,
    )
    run_demo(options, console)
