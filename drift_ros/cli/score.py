"""`drift score`: what a tracker published live, against the truth in a bag."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer

SHOWN = 5  # reasons


class Match(str, enum.Enum):
    """How results are matched to true objects."""

    id = 'id'
    overlap = 'overlap'


def score(
    recorded: Annotated[
        Path, typer.Argument(help='Bag with what the tracker published: ~/labels and ~/tracks.')
    ],
    truth: Annotated[Path, typer.Option(help='Bag with the true label maps; may be the same bag.')],
    out: Annotated[
        Path | None, typer.Option(help='Folder for results.json, results.csv and report.html.')
    ] = None,
    labels: Annotated[
        str | None, typer.Option(help='Topic of the label maps of the results.')
    ] = None,
    tracks: Annotated[str | None, typer.Option(help='Topic of the tracks of the results.')] = None,
    truth_labels: Annotated[str | None, typer.Option(help='Topic of the true label maps.')] = None,
    image: Annotated[
        str | None,
        typer.Option(
            help='Topic of the camera in either bag: its images, or its camera_info with the same '
            'stamps.'
        ),
    ] = None,
    tolerance: Annotated[
        float,
        typer.Option(min=0, help='Largest difference in s between stamps of the same frame.'),
    ] = 0.0,
    match: Annotated[
        Match,
        typer.Option(
            help='Results are the true objects of the same id, or of the largest overlap where '
            'both are first seen.'
        ),
    ] = Match.id,
    generation: Annotated[
        int | None,
        typer.Option(help='Generation to score [default: the last that has targets].'),
    ] = None,
    count_dropped: Annotated[
        bool,
        typer.Option(
            '--count-dropped',
            help='Score a frame without a result as one where nothing was found; else such frames '
            'are counted apart.',
        ),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option('--overwrite', help='Replace results in the folder.')
    ] = False,
) -> None:
    """Score the recording of a live run, or the bag of `drift track`, against the truth.

    The measures are those of `drift evaluate`: J, F and J&F of every object, id switches; and
    dropped frames and latency, by the times of the recording; errors of positions in space where
    both bags have tracks with positions. Topics need to be named only where
    there are several.
    """
    from rich.console import Console

    from drift_ros.evaluation.recorded import output
    from drift_ros.evaluation.recorded.scoring import Request, score_recording
    from drift_ros.evaluation.reporting.terminal import print_live, print_plain

    request = Request(
        recorded=recorded.expanduser(),
        truth=truth.expanduser(),
        labels=labels,
        tracks=tracks,
        truth_labels=truth_labels,
        image=image,
        tolerance=tolerance,
        match=match.value,
        generation=generation,
        count_dropped=count_dropped,
    )
    with Console(stderr=True).status('reading the bags'):
        live = score_recording(request)
    if out is not None:
        output.write(out.expanduser(), request, live, overwrite)
    console = Console()
    entry = output.record(request, live)['sequences'][live.score.name]
    print_live(console, entry)
    skipped = live.score.skipped
    for reason in skipped[:SHOWN]:
        print_plain(console, f'skipped: {reason}')
    if len(skipped) > SHOWN:
        console.print(f'and {len(skipped) - SHOWN} more')
    if out is not None:
        print_plain(console, out / 'report.html')
