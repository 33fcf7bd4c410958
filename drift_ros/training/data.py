"""Rendered clips as batches, in an order that depends on nothing but their number.

Rendering a video costs more than a step of training on it. So videos stay in a pool for a while
and are drawn several times, each time cut, mirrored, turned, reversed and recoloured anew.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import cv2
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from drift_ros.synthetic import Clips
from drift_ros.training.settings import TrainingSettings

SPACING = 2**26  # videos per training seed, so that runs of different seeds share none


class Videos(Dataset[Tensor]):
    """Videos of the training split by number, as (F, 3, H, W) uint8."""

    def __init__(self, settings: TrainingSettings) -> None:
        self._first = settings.seed * SPACING
        look = settings.video.model_copy(update={'frames': settings.frames, 'points': 0})
        self._clips = Clips(look, 'train')

    def __getitem__(self, number: int) -> Tensor:
        images = torch.from_numpy(self._clips[self._first + number].images)
        return images.permute(0, 3, 1, 2).contiguous()


class _From(Sampler[int]):
    """All numbers from one on."""

    def __init__(self, first: int) -> None:
        self._first = first

    def __iter__(self) -> Iterator[int]:
        number = self._first
        while True:
            yield number
            number += 1


def batches(
    settings: TrainingSettings,
    first: int,
    device: torch.device,
    data: Dataset[Tensor] | None = None,
) -> Iterator[Tensor]:
    """(B, F, 3, crop, crop) uint8 batches on a device from number `first` on, without end.

    Args:
        settings: of the training.
        first: number of the first batch, which is the number of steps done before.
        device: where the pool lies.
        data: videos by number; None renders them.
    """
    entered = int(first * settings.batch / settings.reuse)
    loader = DataLoader(
        data or Videos(settings),
        batch_size=None,
        sampler=_From(entered),
        num_workers=settings.workers,
        worker_init_fn=_single_threaded,
        multiprocessing_context='spawn' if settings.workers else None,
        prefetch_factor=4 if settings.workers else None,
    )
    videos = iter(loader)
    pool: deque[Tensor] = deque(maxlen=settings.pool)
    number = first
    while True:
        wanted = settings.pool + int(number * settings.batch / settings.reuse)
        while entered < wanted:
            pool.append(next(videos).to(device, non_blocking=True))
            entered += 1
        yield _draw(pool, settings, number)
        number += 1


def _draw(pool: deque[Tensor], settings: TrainingSettings, number: int) -> Tensor:
    generator = torch.Generator().manual_seed(settings.seed * 2**32 + number)
    chosen = torch.randint(len(pool), (settings.batch,), generator=generator).tolist()
    return torch.stack([_varied(pool[index], settings.crop, generator) for index in chosen])


def _varied(clip: Tensor, crop: int, generator: torch.Generator) -> Tensor:
    """A part of (F, 3, H, W), seen otherwise."""

    def below(end: int) -> int:
        return int(torch.randint(end, (), generator=generator))

    height, width = clip.shape[2:]
    top, left = below(height - crop + 1), below(width - crop + 1)
    clip = clip[:, torch.randperm(3, generator=generator).to(clip.device)]
    clip = clip[..., top : top + crop, left : left + crop]
    flipped = [axis for axis in (0, 2, 3) if below(2)]
    clip = clip.flip(flipped) if flipped else clip
    return clip.transpose(2, 3) if below(2) else clip


def _single_threaded(worker: int) -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
