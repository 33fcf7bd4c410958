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
KEPT = 16  # directions of what temporal layers add, of which there are few
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
    """The whitenings of blocks at a noise level, with and without temporal layers, and of what
    temporal layers add in all blocks up to the last one.

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
    moving = model.motion_blocks(blocks[-1])
    unknown = Whitening(torch.zeros(0), torch.zeros(0, 0))
    nothing, still = dict.fromkeys(blocks, unknown), dict.fromkeys(moving, unknown)
    reading = Reading(snr, blocks, nothing, nothing, still)

    def maps(temporal: bool) -> list[tuple[Tensor, ...]]:
        extractor = EmbeddedExtractor(
            'measured',
            model,
            reading,
            temporal=temporal,
            motion=1.0,
            device=device,
            dtype=torch.float32,
        )
        outputs = [extractor.outputs(video.to(device), range(len(video))) for video in videos]
        return list(zip(*outputs, strict=True))

    def whitenings(of_blocks: Sequence[Sequence[Tensor]]) -> dict[int, Whitening]:
        return {b: Whitening.measure(m) for b, m in zip(blocks, of_blocks, strict=True)}

    alone = whitenings(maps(False))
    if not model.config.temporal:
        return Reading(snr, blocks, {}, alone)
    joined = maps(True)
    motion = {
        b: Whitening.measure(m, KEPT) for b, m in zip(moving, joined[len(blocks) :], strict=True)
    }
    return Reading(snr, blocks, whitenings(joined[: len(blocks)]), alone, motion)
