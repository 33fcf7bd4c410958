"""Rendered clips with their tracks as batches, which depend on nothing but their number.

Rendering a video costs more than a step of training on it. So videos stay in a pool for a while
and are drawn several times, each time cut, mirrored, turned, reversed, slowed and recoloured anew.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import cv2
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from drift_ros.synthetic import Clips
from drift_ros.training.settings import TrainingSettings

SPACING = 2**26  # videos per training seed, so that runs of different seeds share none
RATES = (8.0, 12.0, 24.0, 48.0)  # frames per second; each video has one of them
FIRST = 8  # videos per clip of a step in the pool at the start
STRIDES = (1, 1, 2)  # frames of a video per frame of a clip, as far as the video is long enough


@dataclass(frozen=True, slots=True)
class TrackedClip:
    """Frames and exact tracks of points.

    Attributes:
        images: (F, 3, H, W) uint8 RGB.
        labels: (F, H, W) uint8, id of the object that a pixel shows, 0 = background.
        positions: (F, N, 2) float32 (x, y) in px, also of hidden points and beyond the frame.
        visible: (F, N) bool.
        ids: (N,) uint8 ids of the objects that the points lie on, 0 = background.
    """

    images: Tensor
    labels: Tensor
    positions: Tensor
    visible: Tensor
    ids: Tensor

    def to(self, device: torch.device) -> TrackedClip:
        """The same on another device."""
        parts = (self.images, self.labels, self.positions, self.visible, self.ids)
        return TrackedClip(*(part.to(device, non_blocking=True) for part in parts))


def stacked(clips: Sequence[TrackedClip]) -> TrackedClip:
    """Clips of one size as a batch: every part has one dimension more, in front."""
    return TrackedClip(
        *(torch.stack([getattr(clip, f.name) for clip in clips]) for f in fields(TrackedClip))
    )


class Videos(Dataset[TrackedClip]):
    """Videos of the training split by number."""

    def __init__(self, settings: TrainingSettings) -> None:
        self._first = settings.seed * SPACING
        self._looks = [
            settings.video.model_copy(update={'rate': rate, 'motion': strength})
            for rate in RATES
            for strength in (settings.video.motion, 2 * settings.video.motion)
        ]

    def __getitem__(self, number: int) -> TrackedClip:
        clips = Clips(self._looks[number % len(self._looks)], 'train')
        clip = clips[self._first + number]
        return TrackedClip(
            torch.from_numpy(clip.images).permute(0, 3, 1, 2).contiguous(),
            torch.from_numpy(clip.labels),
            torch.from_numpy(clip.points.positions),
            torch.from_numpy(clip.points.visible),
            torch.from_numpy(clip.points.ids),
        )


class NumbersFrom(Sampler[int]):
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
    data: Dataset[TrackedClip] | None = None,
) -> Iterator[list[TrackedClip]]:
    """Batches of clips of one size on a device from number `first` on, without end.

    Args:
        first: number of the first batch, which is the number of steps done before.
        data: videos by number; None renders them.
    """
    entered = int(first * settings.batch / settings.reuse)
    loader = DataLoader(
        data or Videos(settings),
        batch_size=None,
        sampler=NumbersFrom(entered),
        num_workers=settings.workers,
        worker_init_fn=single_threaded,
        multiprocessing_context='spawn' if settings.workers else None,
        prefetch_factor=4 if settings.workers else None,
    )
    videos = iter(loader)
    pool: deque[TrackedClip] = deque(maxlen=settings.pool)
    number = first
    while True:
        # The pool grows while the first steps are done, not before them.
        grown = min(settings.pool, (FIRST + number) * settings.batch)
        wanted = grown + int(number * settings.batch / settings.reuse)
        while entered < wanted:
            pool.append(next(videos).to(device))
            entered += 1
        yield _draw(list(pool)[-grown:], settings, number)
        number += 1


def _draw(
    pool: Sequence[TrackedClip], settings: TrainingSettings, number: int
) -> list[TrackedClip]:
    generator = torch.Generator().manual_seed(settings.seed * 2**32 + number)
    chosen = torch.randint(len(pool), (settings.batch,), generator=generator).tolist()
    crop, frames = settings.views[number % len(settings.views)]
    return [_varied(pool[index], crop, frames, generator) for index in chosen]


def _varied(clip: TrackedClip, crop: int, frames: int, generator: torch.Generator) -> TrackedClip:
    """A part of a video, seen otherwise."""

    def below(end: int) -> int:
        return int(torch.randint(end, (), generator=generator))

    length, _, height, width = clip.images.shape
    stride = min(STRIDES[below(len(STRIDES))], (length - 1) // max(1, frames - 1))
    start = below(length - (frames - 1) * stride)
    when = torch.arange(frames) * stride + start
    when = when.flip(0) if below(2) else when
    top, left = below(height - crop + 1), below(width - crop + 1)
    colours = torch.randperm(3, generator=generator)
    images = clip.images[when][:, colours, top : top + crop, left : left + crop]
    labels = clip.labels[when, top : top + crop, left : left + crop]
    places = clip.positions[when] - clip.positions.new_tensor([left, top])
    for axis in (0, 1):  # x, y
        if below(2):
            images, labels = images.flip(3 - axis), labels.flip(2 - axis)
            places[..., axis] = crop - 1 - places[..., axis]
    if below(2):
        images, labels, places = images.transpose(2, 3), labels.transpose(1, 2), places.flip(-1)
    inside = ((places > -0.5) & (places < crop - 0.5)).all(-1)
    return TrackedClip(images, labels, places, clip.visible[when] & inside, clip.ids)


def single_threaded(worker: int) -> None:
    """What a process that renders does first."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
