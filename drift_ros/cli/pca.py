"""`drift pca`: what an extractor sees in a pair of frames, as colours."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from drift_ros.cli import tracker_options as tracker

if TYPE_CHECKING:
    from drift_ros.structures import Frame


def pca(
    source: tracker.Source,
    out: Annotated[Path, typer.Option(help='Folder for the pictures, one per pair.')],
    pairs: Annotated[
        list[str] | None,
        typer.Option(
            '--pair',
            metavar='A:B',
            help='Numbers of two frames that lie within one window; may be repeated [default: the '
            'first and the last frame of the first window, or 0:8 where there are no windows].',
        ),
    ] = None,
    topic: tracker.Topic = None,
    features: tracker.Features = None,
    device: tracker.Device = None,
    config: tracker.Config = None,
    assignments: tracker.Assignments = None,
) -> None:
    """Show features as colours: the main directions of a pair of frames as red, green and blue.

    Identical objects that an extractor distinguishes get different colours; an object that it
    recognises in the other frame keeps its own. Each picture has the frames above and their
    features below.
    """
    from rich.console import Console
    from rich.progress import Progress

    from drift_ros import features as extractors
    from drift_ros.cli.options import tracker_settings
    from drift_ros.io.frames import open_source
    from drift_ros.io.writers import save_picture
    from drift_ros.runs.atomic import make_folder
    from drift_ros.visualization.feature_pairs import pair_picture, widest_pair

    settings = tracker_settings(config, features, device, assignments or ())
    wanted = [_pair(text) for text in pairs or ()]
    out = make_folder(out.expanduser())
    extractor = extractors.create(settings.features)
    console = Console(stderr=True)
    pixels = settings.stream.max_pixels
    with (
        open_source(source.expanduser(), topic, max_pixels=pixels) as opened,
        Progress(console=console) as progress,
    ):
        wanted = wanted or [(0, widest_pair(extractor, settings, opened.count))]
        frames = _read(opened, wanted, progress)
        for first, second in progress.track(wanted, description='features'):
            picture = pair_picture(frames, first, second, extractor, settings)
            file = out / f'{first:05d}_{second:05d}.png'
            save_picture(file, picture)
            console.print(f'{file}', highlight=False, soft_wrap=True)


def _pair(text: str) -> tuple[int, int]:
    from drift_ros.errors import SettingsError

    first, _, second = text.partition(':')
    if not (first.isdecimal() and second.isdecimal() and int(first) < int(second)):
        raise SettingsError(
            f'--pair {text!r} must be two frame numbers A:B with A < B, such as 0:8'
        )
    return int(first), int(second)


def _read(source: Any, wanted: list[tuple[int, int]], progress: Any) -> dict[int, Frame]:
    """The frames from the first to the last of each pair, by number."""
    last = max(second for _, second in wanted)
    task = progress.add_task('frames', total=last + 1)
    frames = {}
    for frame in source.frames():
        if frame.index > last:
            break
        if any(first <= frame.index <= second for first, second in wanted):
            frames[frame.index] = frame
        progress.update(task, completed=frame.index + 1)
    return frames
