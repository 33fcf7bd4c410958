"""`drift page`: a web page on which people click."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from drift_ros.cli import tracker_options as tracker

if TYPE_CHECKING:
    from drift_ros.page.pictures import Album
    from drift_ros.page.ui.serve import Page


def page(
    source: Annotated[
        Path | None,
        typer.Argument(
            metavar='[INPUT]',
            help='Bag, video file or folder of frames; without one: the trackers that run.',
        ),
    ] = None,
    host: Annotated[
        str,
        typer.Option(
            help='Address to serve at. Any other than this machine alone demands a random token, '
            'which is printed.'
        ),
    ] = '127.0.0.1',
    port: Annotated[int, typer.Option(min=0, max=65535, help='Port; 0: a free one.')] = 8080,
    open_browser: Annotated[
        bool, typer.Option('--open', help='Open the page in the browser of this machine.')
    ] = False,
    node: Annotated[
        str, typer.Option('--tracker', help='Full name of the tracker to show first.')
    ] = '',
    topic: Annotated[
        str | None, typer.Option(help='Image topic: of the bag, or of the camera to show first.')
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help='Folder for prompts and results of INPUT; else they go with the page.'),
    ] = None,
    fps: tracker.Fps = None,
    features: tracker.Features = None,
    device: tracker.Device = None,
    config: tracker.Config = None,
    assignments: tracker.Assignments = None,
) -> None:
    """Serve a web page on which people click what shall be tracked.

    Over a tracker that runs, or over a recording, on any frame of which targets can be marked and
    corrected; prompts and results come as files.
    """
    from drift_ros.errors import DriftError

    try:
        from drift_ros.page.ui.serve import serve
    except ImportError as error:
        raise DriftError(
            f'the page needs its optional libraries ({error}): pip install nicegui'
        ) from None

    def ready(address: str) -> None:
        typer.echo(f'open {address}')
        if open_browser:
            import webbrowser

            webbrowser.open(address)

    if source is None:
        try:
            from drift_ros.page.live import Live
        except ImportError as error:
            raise DriftError(
                f'without INPUT the page needs ROS 2 and the built package ({error}): name a '
                'recording, run `make build`, or source the workspace'
            ) from None
        from drift_ros.page.ui.live_page import LivePage

        with Live(topic or '') as live:
            serve(lambda album: LivePage(live, album, node), host, port, ready)
        return
    from drift_ros.cli.options import tracker_settings
    from drift_ros.page.recorded import Recording
    from drift_ros.page.ui.recorded_page import RecordedPage

    settings = tracker_settings(config, features, device, assignments or ())
    recording = Recording(source.expanduser(), settings, out and out.expanduser(), topic, fps)

    def make(album: Album) -> Page:
        return RecordedPage(recording, album)

    try:
        serve(make, host, port, ready)
    finally:
        recording.close()
