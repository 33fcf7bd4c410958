"""`drift latency`: where the time of frames went."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def latency(
    recorded: Annotated[Path, typer.Argument(help='Bag with /diagnostics of a live run.')],
    out: Annotated[Path, typer.Option(help='Page to write.')] = Path('latency.html'),
) -> None:
    """Show where the time of each frame went: queue, conversion, features, propagation, refinement,
    publishing.

    `ros2 bag record /diagnostics` (or `drift record`) makes the recording.
    """
    from rich.console import Console

    from drift_ros.evaluation.recorded import latency
    from drift_ros.runs.atomic import write_text

    path = recorded.expanduser()
    cameras = latency.read(path)
    console = Console()
    for name, reports in cameras.items():
        stages = ', '.join(f'{stage} {mean:.1f}' for stage, mean in reports.means.items())
        console.print(f'{name}: ms per frame: {stages}', highlight=False, soft_wrap=True)
    console.print(str(write_text(out.expanduser(), latency.page(cameras, path.name))))
