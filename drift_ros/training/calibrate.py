"""Measures how the blocks of a trained model become descriptors, and keeps it with the weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from drift_ros.errors import SettingsError
from drift_ros.features.embedded.extractor import EmbeddedExtractor
from drift_ros.features.embedded.model import EmbeddedUNet
from drift_ros.features.embedded.reading import Reading, Whitening
from drift_ros.synthetic import Clips, RandomSettings

VIDEOS, WIDTH, HEIGHT = 4, 640, 480
FIRST = 2**40  # number of the first of these videos of the split `train`, beyond all seeds


def rendered(frames: int) -> list[Tensor]:
    """Videos to measure on, as (F, 3, H, W) uint8."""
    look = RandomSettings(width=WIDTH, height=HEIGHT, frames=frames, points=0)
    clips = (Clips(look, 'train')[FIRST + number] for number in range(VIDEOS))
    return [torch.from_numpy(clip.images).permute(0, 3, 1, 2) for clip in clips]


def measure(
    model: EmbeddedUNet,
    snr: float,
    blocks: Sequence[int],
    device: torch.device,
    videos: Sequence[Tensor],
) -> Reading:
    """The whitenings of blocks at a noise level, with and without temporal layers.

    Args:
        model: trained.
        snr: signal-to-noise ratio.
        blocks: decoder blocks.
        device: where to run.
        videos: (F, 3, H, W) uint8 frames.

    Raises:
        SettingsError: the model has no such block.
    """
    blocks = tuple(sorted(set(blocks)))
    if not blocks or blocks[-1] >= len(model.up) or blocks[0] < 0:
        raise SettingsError(
            f'decoder blocks {blocks} are to be read: this model has blocks 0 to '
            f'{len(model.up) - 1}'
        )
    unknown = {block: Whitening(torch.zeros(0), torch.zeros(0, 0)) for block in blocks}
    reading = Reading(snr, blocks, unknown, unknown)

    def whitenings(temporal: bool) -> dict[int, Whitening]:
        extractor = EmbeddedExtractor(
            'measured', model, reading, temporal=temporal, device=device, dtype=torch.float32
        )
        outputs = [extractor.outputs(video.to(device), range(len(video))) for video in videos]
        maps = dict(zip(blocks, zip(*outputs, strict=True), strict=True))
        return {block: Whitening.measure(maps[block]) for block in blocks}

    joined = whitenings(True) if model.config.temporal else {}
    return Reading(snr, blocks, joined, whitenings(False))
