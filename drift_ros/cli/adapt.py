"""`drift adapt`: adapt the attention kernel to the targets of a frame, and keep what was fitted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from drift_ros.cli import tracker_options as tracker


def adapt(
    frame: Annotated[Path, typer.Argument(metavar='FRAME', help='Image, jpg or png.')],
    prompts: Annotated[
        Path, typer.Option(help='The targets: YAML or JSON, or an annotated PNG of the frame.')
    ],
    out: Annotated[Path, typer.Option(help='File for what was fitted (.safetensors).')],
    features: tracker.Features = None,
    device: tracker.Device = None,
    config: tracker.Config = None,
    assignments: tracker.Assignments = None,
) -> None:
    """Fit weights of attention heads, or an embedding per target, to the targets of a frame.

    Without --config these are the heads of the preset embedded_drift.
    `--set adaptation.file=FILE` lets `drift track` and the node begin with them.
    """
    from drift_ros.adaptation import files
    from drift_ros.cli.options import tracker_settings
    from drift_ros.errors import PromptError, SettingsError, SourceError
    from drift_ros.io.images import decode
    from drift_ros.prompts import read_prompts
    from drift_ros.structures import Frame
    from drift_ros.tracking import Tracker
    from drift_ros.tracking.adapter import identity

    if config is None:
        assignments = ['adaptation.heads=fitted', *(assignments or ())]
    settings = tracker_settings(config or 'embedded_drift', features, device, assignments or ())
    if settings.adaptation.heads == 'uniform' and not settings.adaptation.text.invert:
        raise SettingsError(
            "adaptation.heads is 'uniform' and adaptation.text.invert is false, so there is "
            'nothing to fit: set the one to fitted or closed-form, or the other to true'
        )
    frame = frame.expanduser()
    image = decode(frame.read_bytes()) if frame.is_file() else None
    if image is None:
        raise SourceError(f'{frame} is not there, or no picture that can be read (jpg or png)')
    timed = read_prompts(prompts.expanduser())
    made = Tracker.from_settings(settings)
    made.step(Frame(image, 0), [each.prompt for each in timed])
    made.flush()
    found = made.adapter.found
    if made.adapter.since is None:
        raise PromptError(f'{prompts} shows no target in {frame}: nothing was fitted')
    files.save(out.expanduser(), found, identity(settings, made.extractor), made.extractor.heads)
    if found.heads is not None:
        for (layer, head), weight in zip(made.extractor.heads, found.heads.tolist(), strict=True):
            typer.echo(f'{layer} head {head}: {weight:.3f}')
    if found.embeddings is not None:
        typer.echo(f'{len(found.embeddings)} embeddings of {found.embeddings.shape[1]}')
    typer.echo(str(out))
