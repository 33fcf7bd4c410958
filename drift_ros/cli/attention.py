"""`drift attention`: what the attention of a model groups with a pixel, as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from drift_ros.cli import tracker_options as tracker


def attention(
    source: tracker.Source,
    point: Annotated[str, typer.Option(metavar='X,Y', help='Pixel of the frame.')],
    out: Annotated[Path, typer.Option(help='File for the picture (png or jpg).')],
    frame: Annotated[int, typer.Option(min=0, help='Number of the frame.')] = 0,
    later: Annotated[
        str, typer.Option(metavar='N,N', help='How many frames later the others are.')
    ] = '4,16',
    topic: tracker.Topic = None,
    features: tracker.Features = 'embedded-attention',
    device: tracker.Device = None,
    config: tracker.Config = None,
    assignments: tracker.Assignments = None,
) -> None:
    """Draw the attention kernel of a pixel in its own frame and in later ones.

    A column per frame; below the frames the mean over heads, then each head alone.
    """
    from drift_ros import features as extractors
    from drift_ros.cli.options import tracker_settings
    from drift_ros.io.frames import open_source
    from drift_ros.io.writers import save_picture
    from drift_ros.visualization.attention import attention_picture

    place = _numbers(point, '--point', 2)
    numbers = [frame, *(frame + int(step) for step in _numbers(later, '--later'))]
    if config is not None and features == 'embedded-attention':
        features = None  # the configuration says which
    settings = tracker_settings(config, features, device, assignments or ())
    extractor = extractors.create(settings.features)
    frames = {}
    with open_source(source.expanduser(), topic) as opened:
        for each in opened.frames():
            if each.index in numbers:
                frames[each.index] = each
            if each.index >= max(numbers):
                break
    present = [number for number in numbers if number == frame or number in frames]
    picture = attention_picture(frames, present, (place[0], place[1]), extractor, settings)
    save_picture(out.expanduser(), picture)
    typer.echo(str(out))


def _numbers(text: str, option: str, count: int = 0) -> list[float]:
    from drift_ros.errors import SettingsError

    try:
        found = [float(part) for part in text.split(',')] if text else []
    except ValueError:
        found = []
    if (count and len(found) != count) or (text and not found):
        raise SettingsError(f'{option} {text!r} must be {count or "some"} numbers, such as 320,240')
    return found
