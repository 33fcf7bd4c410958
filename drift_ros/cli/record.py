"""`drift record`: write topics to a bag."""

from __future__ import annotations

import contextlib
import signal
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from drift_ros.cli.play import needs_ros

HINT = 5.0  # s after which topics that nobody publishes are named


def record(
    topics: Annotated[list[str], typer.Argument(help='Full names, such as /tracker/labels.')],
    out: Annotated[Path, typer.Option(help='Bag to write; it must not exist.')],
    duration: Annotated[
        float, typer.Option(min=0, help='End after so many seconds; 0: at Ctrl-C.')
    ] = 0.0,
    use_sim_time: Annotated[
        bool,
        typer.Option(
            '--use-sim-time',
            help='Take times of receipt from /clock, as for bags that are played with --clock.',
        ),
    ] = False,
) -> None:
    """Record topics into a bag until Ctrl-C, like `ros2 bag record`."""
    with needs_ros('record'):
        from drift_ros.ros.tools.bag_recording import BagRecorder
        from drift_ros.ros.tools.playback import node_of_its_own
    # scripts start it in the background, where shells have interrupts ignored, and end it by one
    signal.signal(signal.SIGINT, signal.default_int_handler)
    console = Console(stderr=True)
    with node_of_its_own('drift_record') as node:
        with BagRecorder(node, topics, out.expanduser(), use_sim_time) as recorder:
            console.print(f'recording to {out}; Ctrl-C ends it', highlight=False, soft_wrap=True)
            begin = time.monotonic()
            with contextlib.suppress(KeyboardInterrupt):
                recorder.spin(lambda: time.monotonic() >= begin + (duration or HINT))
                if recorder.missing:
                    console.print(f'nobody publishes {", ".join(recorder.missing)} so far')
                recorder.spin(lambda: bool(duration))
        counts = [f'{count} of {topic}' for topic, count in recorder.counts.items()]
        counts += [f'{topic} was never published' for topic in recorder.missing]
        console.print(f'{out}: {", ".join(counts)}', highlight=False, soft_wrap=True)
