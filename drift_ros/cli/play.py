"""`drift play`: publish a bag with its timing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from drift_ros.errors import DriftError

MEETING = 10.0  # s, for a tracker that is to answer
SETTLING = 0.5  # s; a subscriber may learn of the publisher later than the publisher of it


class NoRosError(DriftError):
    """A command needs ROS 2, which this Python does not have."""


class NoListenerError(DriftError):
    """What is to be tracked frame by frame reaches nobody."""


@contextmanager
def needs_ros(command: str) -> Iterator[None]:
    """What is imported in the block comes with ROS."""
    try:
        yield
    except ImportError:
        raise NoRosError(
            f'`drift {command}` needs ROS 2: source its setup file, or use the environment of '
            '`make env`'
        ) from None


def play(
    bag: Annotated[Path, typer.Argument(help='Bag (mcap or sqlite3): its folder or file.')],
    rate: Annotated[
        float, typer.Option(min=0.01, max=100, help='Seconds of the bag per second.')
    ] = 1.0,
    loop: Annotated[bool, typer.Option('--loop', help='Start anew at the end, for ever.')] = False,
    clock: Annotated[
        bool, typer.Option('--clock', help='Publish /clock, for nodes with use_sim_time.')
    ] = False,
    topics: Annotated[
        list[str] | None, typer.Option(help='Play only this topic; may be given several times.')
    ] = None,
    start_paused: Annotated[
        bool, typer.Option('--start-paused', help='Wait for Enter before the first message.')
    ] = False,
    wait_for_subscribers: Annotated[
        float,
        typer.Option(
            min=0, help='Wait up to so many seconds until somebody listens to the images.'
        ),
    ] = 0.0,
    in_step: Annotated[
        str,
        typer.Option(
            help='Topic of a tracker, such as /tracker/tracks: the next image waits until the one '
            'before is answered there, so that every frame is tracked, however long it takes.'
        ),
    ] = '',
    ahead: Annotated[
        int, typer.Option(min=1, help='Images that may be unanswered: window.stride.')
    ] = 1,
) -> None:
    """Publish a bag's messages with their timing, like `ros2 bag play`."""
    with needs_ros('play'):
        from drift_ros.ros.tools.in_step import InStep
        from drift_ros.ros.tools.playback import Player, node_of_its_own
    console = Console(stderr=True)
    with node_of_its_own('drift_play') as node:
        steps = InStep(node, in_step, ahead) if in_step else None
        player = Player(node, bag, topics or None, rate, clock, steps)
        console.print(f'{", ".join(player.topics)} of {bag}, {player.duration:.1f} s')
        if start_paused:
            console.input('Enter starts it ')
        patience = max(wait_for_subscribers, MEETING if in_step else 0.0)
        if patience and player.wait_for_subscribers(patience):
            time.sleep(SETTLING)
        elif patience:
            if in_step:
                raise NoListenerError(
                    f'nobody listens to {player.images} after {patience:g} s: start the tracker '
                    f'with image:={player.images}, and activate it'
                )
            console.print(f'nobody listens after {patience:g} s; playing all the same')
        with Progress(*_columns(), console=console, transient=True) as bar:
            task = bar.add_task('playing', total=player.duration or 1.0)
            while True:
                player.play(lambda seconds: bar.update(task, completed=seconds))
                if not loop:
                    break
        player.finish()
        console.print(f'{player.published} messages')


def _columns() -> tuple[TextColumn, BarColumn, TextColumn, TimeRemainingColumn]:
    position = TextColumn('{task.completed:.1f} of {task.total:.1f} s')
    return TextColumn('{task.description}'), BarColumn(), position, TimeRemainingColumn()
