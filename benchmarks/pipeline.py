"""What the whole tracker costs per frame at full size, and where the time goes.

    python benchmarks/pipeline.py --device cuda [--windows 5] [--only NAME ...]
    python benchmarks/pipeline.py --device meta     # operations and weights alone, on any machine
    python benchmarks/pipeline.py --device cpu --small [--only NAME ...]

The published architectures with random weights (timing does not depend on values) track two targets
through frames of 480x832 px, in the tracker itself, settings from the presets; and the embedded
model with its own weights and default settings. With `--small`, models of the same classes as the
published ones with few channels stand in.

The frames are eight of the set `similar-2`, rendered before the clock starts, back and forth, with
the true masks of its two objects as prompts: reading masks takes longer the longer their outlines
are. On a CPU frames that are described one by one are described ahead, as in the node, unless
`--alone` is given. `DRIFT_CUDA_GRAPHS=0` in the environment does without CUDA graphs.

- ms per frame in each stage: VAE, CLIP, video UNet, image UNet or the embedded model (as video or
  image), propagation, and the rest (to the
  device, noise, fusion, readout of labels, measuring); median over windows. What is described ahead
  runs beside the rest, which then is shorter by it.
- frames/s of the whole, median over windows.
- GB: peak of the device's memory.
- TFLOP: operations of the networks per frame, counted by torch (2 per multiply and add).
- floor: frames/s if the networks ran at the rate of a large matrix product, measured in the same
  run; share: of that rate that is reached in the time of the networks.
"""

from __future__ import annotations

import argparse
import gc
import platform
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import Any

import cv2
import numpy as np
import torch
from architectures import extractor as full_size
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from drift_ros import features
from drift_ros.cli.options import tracker_settings
from drift_ros.features import FeatureExtractor, Session, Window
from drift_ros.prompts import Prompt
from drift_ros.propagation import affinity
from drift_ros.settings import FeatureSettings, TrackerSettings
from drift_ros.synthetic import SceneSettings, VideoSet
from drift_ros.tracking import Frame, Tracker

SIZE = (480, 832)
VARIANTS: dict[str, tuple[str | None, tuple[str, ...]]] = {  # preset, and what differs from it
    'TED efficient': ('ted_davis_efficient', ()),
    'TED best': ('ted_davis', ()),
    'R_v only': ('ted_davis_efficient', ('features.alpha=1.0',)),
    'SVD + SD': (
        'ted_davis_efficient',
        (
            'features.video.model=svd',
            'features.image.model=sd-2.1',
            'features.image.block=2',
            'window.length=14',
            'window.stride=14',
        ),
    ),
    'DIFT adm': ('dift_adm', ()),
    'realtime R_v': ('realtime', ('features.name=video-unet',)),
    'embedded': (None, ('features.name=embedded',)),
    'embedded-image': (None, ('features.name=embedded-image',)),
}
STAGES = ('VAE', 'CLIP', 'video', 'image', 'propagation')
WARM_UP = 3  # windows
BLOCK = 8  # frames that are timed together at least


class Stopwatch:
    """Seconds in each stage, by events of the device where it has them."""

    def __init__(self, device: torch.device) -> None:
        self._cuda = device.type == 'cuda'
        self._marks: list[tuple[str, Any, Any]] = []

    def _now(self) -> Any:
        if not self._cuda:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Take the time of what runs inside."""
        start = self._now()
        yield
        self._marks.append((name, start, self._now()))

    def watch(self, module: nn.Module, name: str) -> None:
        """Take the time of every pass of a network."""
        begun: list[Any] = []
        module.register_forward_pre_hook(lambda *_: begun.append(self._now()))
        module.register_forward_hook(
            lambda *_: self._marks.append((name, begun.pop(), self._now()))
        )

    def take(self) -> dict[str, float]:
        """Seconds per stage since the last call."""
        if self._cuda:
            torch.cuda.synchronize()
        sums: dict[str, float] = defaultdict(float)
        for name, start, end in self._marks:
            sums[name] += start.elapsed_time(end) / 1e3 if self._cuda else end - start
        self._marks.clear()
        return sums


class GivenMasks:
    """Prompts that carry masks, as they are."""

    name = 'given'

    def segment(self, image: Any, prompts: Any) -> list[Any]:
        """The masks."""
        return [p.mask for p in prompts]


def main() -> None:
    options = _options()
    console = Console(width=140)
    device = torch.device(options.device)
    if options.threads:
        torch.set_num_threads(options.threads)
        cv2.setNumThreads(options.threads)
    names = options.only or list(VARIANTS)
    if device.type == 'meta':
        names = [name for name in names if not name.startswith('embedded')]
    rows = {}
    for name in track(names, console=Console(stderr=True)):
        preset, changes = VARIANTS[name]
        settings = tracker_settings(preset, None, None, changes)
        if device.type == 'meta':
            rows[name] = _count(settings)
        else:
            rows[name] = _measure(settings, device, options)
    rate = _matrix_rate(device) if device.type == 'cuda' else None
    print(f'{_machine(device)}, torch {torch.__version__}, {time.strftime("%Y-%m-%d")}')
    if rate:
        print(f'matrix rate, float16, 8192 x 8192: {rate / 1e12:.0f} TFLOP/s')
    console.print(_table(rows, rate))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--device', default='cuda', help='cuda, cpu, or meta to count only')
    parser.add_argument('--windows', type=int, default=5, help='windows that are timed')
    parser.add_argument('--small', action='store_true', help='few channels')
    parser.add_argument('--compile', action='store_true', help='torch.compile the UNets')
    parser.add_argument('--alone', action='store_true', help='no frame is described ahead')
    parser.add_argument('--threads', type=int, help='of torch and OpenCV on the CPU')
    parser.add_argument('--times-only', action='store_true', help='operations are not counted')
    parser.add_argument('--only', action='append', choices=list(VARIANTS))
    return parser.parse_args()


def _measure(
    settings: TrackerSettings, device: torch.device, options: argparse.Namespace
) -> dict[str, float]:
    dtype = torch.float16 if device.type == 'cuda' else torch.float32
    chosen = settings.features.model_copy(update={'compile': options.compile})
    watch = Stopwatch(device)
    if embedded := settings.features.name.startswith('embedded'):
        made = features.create(chosen.model_copy(update={'device': str(device)}))
        stage = 'image' if settings.features.name == 'embedded-image' else 'video'
        made.session = _timed_sessions(made, watch, stage)
    else:
        made = _small(chosen, device) if options.small else full_size(chosen, device, dtype)
        for module, stage in _networks(made):
            watch.watch(module, stage)
    tracker = Tracker(made, GivenMasks(), settings)
    if device.type == 'cuda':
        gc.collect()  # what is left of the variant before
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    with _watched_propagation(watch):
        times, stages = _run(tracker, watch, options)
    row = {stage: statistics.median(s[stage] for s in stages) for stage in STAGES}
    row['total'] = statistics.median(times)
    row['rest'] = row['total'] - sum(row[stage] for stage in STAGES)
    row['worst'] = max(times)
    if device.type == 'cuda':
        row['memory'] = torch.cuda.max_memory_allocated()
        del tracker, made
        torch.cuda.empty_cache()
    if not (options.small or options.times_only or embedded):
        row |= _count(settings)
    return row


def _run(
    tracker: Tracker, watch: Stopwatch, options: argparse.Namespace
) -> tuple[list[float], list[dict[str, float]]]:
    """Seconds per frame of each window: the whole, and per stage."""
    images, masks = _scene()
    prompts = [Prompt(mask=mask) for mask in masks]
    stride = tracker.window[1]
    if stride < BLOCK:  # few frames by themselves say little
        stride = BLOCK
    frames = [
        Frame(images[i % len(images)], stamp=(i + 1) * 40_000_000, index=i)
        for i in range((WARM_UP + options.windows) * stride + 1)
    ]
    times, stages = [], []
    for window in range(WARM_UP + options.windows):
        watch.take()
        start = time.perf_counter()
        for i in range(window * stride, (window + 1) * stride):
            following = None if options.alone else partial(frames.__getitem__, i + 1)
            tracker.step(frames[i], prompts if i == 0 else (), upcoming=following)
        seconds = watch.take()
        if window >= WARM_UP:
            times.append((time.perf_counter() - start) / stride)
            stages.append({stage: seconds.get(stage, 0.0) / stride for stage in STAGES})
    return times, stages


@lru_cache(maxsize=1)
def _scene() -> tuple[list[NDArray[np.uint8]], list[NDArray[np.bool_]]]:
    """Images (H, W, 3) that go on from the last one to the first, and the masks (H, W) of the
    objects in the first one.
    """
    height, width = SIZE
    settings = SceneSettings(width=width, height=height, frames=8, rate=12)
    clip = VideoSet('similar-2', settings, 'val')[0].clip()
    images = [*clip.images, *clip.images[-2:0:-1]]
    return images, [clip.labels[0] == number for number in clip.ids]


def _networks(made: Any) -> Iterator[tuple[nn.Module, str]]:
    """Every network of an extractor with its stage."""
    for part in (made, getattr(made, 'video', None), getattr(made, 'image', None)):
        kind = getattr(part, 'name', '')
        if kind not in ('video-unet', 'image-unet'):
            continue
        yield part.unet, kind.split('-')[0]
        encoder = getattr(part, 'encoder', None)
        if encoder is not None:
            yield encoder.vae.encoder, 'VAE'
        clip = getattr(part, '_image_encoder', None)
        if clip is not None:
            yield clip.model, 'CLIP'


def _timed_sessions(made: FeatureExtractor, watch: Stopwatch, stage: str) -> Callable[..., Session]:
    """Makes sessions of an extractor whose time is taken."""
    plain = made.session

    def make(length: int = 0) -> Session:
        session = plain(length)
        session.extract = _timed(session.extract, watch, stage)
        return session

    return make


@contextmanager
def _watched_propagation(watch: Stopwatch) -> Iterator[None]:
    plain: Callable[..., Any] = affinity.propagate
    affinity.propagate = _timed(plain, watch, 'propagation')
    try:
        yield
    finally:
        affinity.propagate = plain


def _timed(call: Callable[..., Any], watch: Stopwatch, stage: str) -> Callable[..., Any]:
    def run(*arguments: Any, **options: Any) -> Any:
        with watch.stage(stage):
            return call(*arguments, **options)

    return run


def _small(settings: FeatureSettings, device: torch.device) -> FeatureExtractor:
    update = {'checkpoint': 'untrained'}
    return features.create(
        settings.model_copy(
            update={
                'device': str(device),
                'tiny_vae': '',
                'video': settings.video.model_copy(update=update),
                'image': settings.image.model_copy(update=update),
            }
        )
    )


def _count(settings: TrackerSettings) -> dict[str, float]:
    """Operations per frame of one window, and bytes of the weights in half precision."""
    device = torch.device('meta')
    made = full_size(settings.features, device, torch.float16)
    length = settings.window.length or made.window_length
    stride = settings.window.stride or length
    side = SIZE
    if settings.features.resolution and settings.features.resolution != SIZE[0]:
        from drift_ros.tracking.prepare import network_size

        side = network_size(SIZE, settings.features.resolution, made.size_multiple)
    images = torch.empty((length, 3, *side), dtype=torch.uint8, device=device)
    operations: dict[str, float] = {}
    with FlopCounterMode(display=False) as counter:
        made.extract(Window(images, tuple(range(length)), stride))
    operations['flop'] = counter.get_total_flops() / stride
    kept = (p.numel() for network, _ in _networks(made) for p in network.parameters())
    operations['weights'] = 2 * sum(kept)
    return operations


def _matrix_rate(device: torch.device) -> float:
    """Operations per second of a large matrix product in float16."""
    side = 8192
    a, b = (torch.randn(side, side, device=device, dtype=torch.float16) for _ in range(2))
    times = []
    for _ in range(20):
        torch.cuda.synchronize()
        start = time.perf_counter()
        a @ b
        torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return 2 * side**3 / statistics.median(times[5:])


def _table(rows: dict[str, dict[str, float]], rate: float | None) -> Table:
    """The columns that at least one row has a value for."""
    cells = {name: _cells(row, rate) for name, row in rows.items()}
    titles = [t for t in next(iter(cells.values())) if any(c[t] for c in cells.values())]
    table = Table('setting', box=None)
    for title in titles:
        table.add_column(title, justify='right')
    for name, row in cells.items():
        table.add_row(name, *(row[title] for title in titles))
    return table


def _cells(row: dict[str, float], rate: float | None) -> dict[str, str]:
    cells = {
        stage: f'{1e3 * row[stage]:.1f}' if stage in row else '' for stage in (*STAGES, 'rest')
    }
    networks = sum(row.get(stage, 0.0) for stage in STAGES[:4])
    flop = row.get('flop', 0.0)
    cells['frames/s'] = f'{1 / row["total"]:.2f}' if 'total' in row else ''
    cells['GB'] = f'{row["memory"] / 1e9:.2f}' if 'memory' in row else ''
    cells['weights GB'] = f'{row["weights"] / 1e9:.2f}' if 'weights' in row else ''
    cells['TFLOP'] = f'{flop / 1e12:.2f}' if flop else ''
    cells['floor'] = f'{rate / flop:.0f}' if rate and flop else ''
    cells['share'] = f'{flop / networks / rate:.0%}' if rate and flop and networks else ''
    return cells


def _machine(device: torch.device) -> str:
    if device.type == 'cuda':
        return torch.cuda.get_device_name(device)
    return f'{platform.machine()}, {torch.get_num_threads()} threads, {device}'


if __name__ == '__main__':
    main()
