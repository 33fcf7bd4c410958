"""Time and memory of label propagation, against the dense way and against the floor.

    python benchmarks/propagation.py [--device cpu] [--threads 2] [--repeat 5] [--camera | --ted]

- dense: the whole affinity matrix: one product, mask, joint top-k, exp, normalisation, product with
  the labels; in place where that is possible. Descriptors come at unit length, as for `propagate`.
- propagate: on contexts laid out as `Memory` does. On a CPU that is the compiled search; torch: the
  same with the operations of torch alone.
- 254 labels, 2 h, C / 10: `propagate` with the most labels, twice the rows, a tenth of the
  channels.
- floor: what no method that looks at every pair inside the windows can beat: their floating-point
  operations over the matrix rate, or the bytes of descriptors over the bandwidth of a copy, both
  measured here on this device in the same process.

The ways take turns. `ms` is the median by the clock; `CPU ms` the smallest time of the CPU in all
threads, which other work on the machine disturbs less. Memory is the peak beyond the inputs.
--camera takes 640x480 px in the embedded model's cells (8 frames of 64 channels, k 10), --ted TED's
setting (29 frames of 1152 channels, k 10) in place of 15 frames of 640 channels, k 15; TED's is
always the one on a GPU. bfloat16 is measured on a GPU and on CPUs that multiply it.
"""

from __future__ import annotations

import argparse
import ctypes
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import patch

import torch
from torch import Tensor

from drift_ros.propagation import compiled, propagate, unit


@dataclass(frozen=True)
class Setting:
    """Sizes of the benchmark."""

    height: int = 60
    width: int = 104
    channels: int = 640
    frames: int = 15
    radius: int = 15
    top_k: int = 15
    classes: int = 4
    temperature: float = 0.2
    dtype: torch.dtype = torch.float32

    def __str__(self) -> str:
        return (
            f'{self.height}x{self.width}, C {self.channels}, {self.frames} frames, '
            f'r {self.radius}, k {self.top_k}, K {self.classes}, {str(self.dtype)[6:]}'
        )

    def inputs(self, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
        """Random unit descriptors and labels, laid out as `Memory` does."""
        generator = torch.Generator(device).manual_seed(0)
        grid = (self.height, self.width)

        def cells(frames: int, channels: int) -> Tensor:
            shape = (frames, *grid, channels)
            return torch.randn(shape, generator=generator, device=device).permute(0, 3, 1, 2)

        query, context = (unit(cells(n, self.channels), 1) for n in (1, self.frames))
        labels = cells(self.frames, self.classes).softmax(1)
        layout = torch.channels_last
        context = context.to(self.dtype).contiguous(memory_format=layout)
        return query[0].to(self.dtype), context, labels.contiguous(memory_format=layout)

    def pairs(self) -> int:
        """Pairs of a target and a source inside its window."""
        rows, columns = (
            sum(min(i + self.radius + 1, size) - max(i - self.radius, 0) for i in range(size))
            for size in (self.height, self.width)
        )
        return rows * columns * self.frames


TED = Setting(channels=1152, frames=29, top_k=10)
CAMERA = Setting(60, 80, 64, 8, radius=12, top_k=10, temperature=0.1)


def ours(setting: Setting, query: Tensor, context: Tensor, labels: Tensor) -> Tensor:
    return propagate(
        query,
        context,
        labels,
        temperature=setting.temperature,
        top_k=setting.top_k,
        radius=setting.radius,
        normalized=True,
    )


def by_torch(setting: Setting, query: Tensor, context: Tensor, labels: Tensor) -> Tensor:
    with patch.object(compiled, 'suits', lambda context, top_k: False):
        return ours(setting, query, context, labels)


def dense(setting: Setting, query: Tensor, context: Tensor, labels: Tensor) -> Tensor:
    frames, classes, height, width = labels.shape
    cells = height * width
    rows, columns = (torch.arange(n, device=query.device) for n in (height, width))
    row_far = (rows[:, None] - rows).abs() > setting.radius
    column_far = (columns[:, None] - columns).abs() > setting.radius
    outside = row_far[:, None, :, None] | column_far[None, :, None, :]
    sources = context.permute(0, 2, 3, 1).reshape(-1, setting.channels)
    affinity = query.flatten(1).T @ sources.T
    affinity.view(cells, frames, cells).masked_fill_(outside.view(cells, 1, cells), -torch.inf)
    best = affinity.topk(setting.top_k, dim=1).values
    affinity.masked_fill_(affinity < best[:, -1:], -torch.inf)
    affinity.sub_(best[:, :1]).div_(setting.temperature).exp_()
    affinity.div_(affinity.sum(1, keepdim=True))
    values = labels.permute(0, 2, 3, 1).reshape(-1, classes).to(affinity.dtype)
    return (affinity @ values).T.reshape(classes, height, width).float()


class Device:
    """Measures on a device."""

    def __init__(self, name: str) -> None:
        self.device = torch.device(name)
        self.is_cuda = self.device.type == 'cuda'

    def wait(self) -> None:
        """Until the device has done its work."""
        if self.is_cuda:
            torch.cuda.synchronize()

    def seconds(self, call: Callable[[], Tensor]) -> tuple[float, float]:
        """Time of a call by the clock, and of the CPU in all its threads."""
        self.wait()
        start, cpu = time.perf_counter(), time.process_time()
        call()
        self.wait()
        return time.perf_counter() - start, time.process_time() - cpu

    def peak(self, call: Callable[[], Tensor]) -> float:
        """Bytes that a call takes at most, beyond what is there; NaN if that cannot be told."""
        if self.is_cuda:
            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()
            call()
            return torch.cuda.max_memory_allocated() - before
        ctypes.CDLL(None).malloc_trim(0)  # give back what earlier calls left behind
        try:
            Path('/proc/self/clear_refs').write_text('5')  # the peak starts anew
        except OSError:
            return math.nan
        before = _status('VmRSS')
        call()
        return _status('VmHWM') - before

    def matrix_rate(self, dtype: torch.dtype) -> float:
        """FLOP/s of a large square product of random numbers."""
        side = 8192 if self.is_cuda else 2048
        a, b = torch.randn(2, side, side, device=self.device).to(dtype)
        torch.mm(a, b)
        best = min(self.seconds(lambda: torch.mm(a, b))[0] for _ in range(10))
        return 2 * side**3 / best

    def bandwidth(self) -> float:
        """Bytes/s that a large copy reads and writes."""
        a = torch.zeros(2**28 if self.is_cuda else 2**26, device=self.device)
        b = torch.empty_like(a).copy_(a)
        return 2 * a.numel() * 4 / min(self.seconds(lambda: b.copy_(a))[0] for _ in range(10))


def _status(name: str) -> int:
    lines = Path('/proc/self/status').read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


def report(device: Device, setting: Setting, repeat: int) -> None:
    """Print the table of a setting."""
    ways = {
        'dense': (dense, setting),
        'propagate': (ours, setting),
        'propagate, torch': (by_torch, setting),
        'propagate, 254 labels': (ours, replace(setting, classes=254)),
        'propagate, 2 h': (ours, replace(setting, height=2 * setting.height)),
        'propagate, C / 10': (ours, replace(setting, channels=setting.channels // 10)),
    }
    calls: dict[str, Callable[[], Tensor]] = {}
    for name, (way, one) in ways.items():
        inputs = one.inputs(device.device)
        calls[name] = lambda way=way, one=one, inputs=inputs: way(one, *inputs)
    difference = float((calls['dense']() - calls['propagate']()).abs().max())
    for call in list(calls.values())[2:]:
        call()
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    for _ in range(repeat):
        for name, call in calls.items():
            times[name].append(device.seconds(call))
    medians = {name: statistics.median(clock for clock, _ in t) for name, t in times.items()}
    fastest = {name: min(cpu for _, cpu in t) for name, t in times.items()}
    print(f'\n{setting}; largest difference to dense {difference:.1e}')
    print('| way | ms | dense / it | it / ours | CPU ms | dense / it | it / ours | peak MiB |')
    print('|---|---|---|---|---|---|---|---|')
    for name, call in calls.items():
        cells = [name]
        for kind in (medians, fastest):
            cells += [
                f'{kind[name] * 1e3:.1f}',
                f'{kind["dense"] / kind[name]:.1f}',
                f'{kind[name] / kind["propagate"]:.2f}',
            ]
        print('| ' + ' | '.join([*cells, f'{device.peak(call) / 2**20:.0f}']) + ' |', flush=True)
    operations = 2 * setting.channels * setting.pairs()
    rate, bandwidth = device.matrix_rate(setting.dtype), device.bandwidth()
    size = (setting.frames + 1) * setting.height * setting.width * setting.channels
    read = size * setting.dtype.itemsize
    floor = max(operations / rate, read / bandwidth)
    print(
        f'| floor | {floor * 1e3:.2f} | {medians["dense"] / floor:.1f} '
        f'| {floor / medians["propagate"]:.2f} |  |  |  |  |\n'
        f'floor: {operations / 1e9:.0f} GFLOP at {rate / 1e9:.0f} GFLOP/s, or {read / 1e6:.0f} MB '
        f'at {bandwidth / 1e9:.1f} GB/s'
    )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--device', default='cpu', help='cpu or cuda')
    parser.add_argument('--threads', type=int, default=0, help='of the CPU; 0: as torch chooses')
    parser.add_argument('--repeat', type=int, default=5)
    parser.add_argument('--camera', action='store_true', help='the embedded model at 640x480')
    parser.add_argument('--ted', action='store_true', help="TED's setting")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    device = Device(options.device)
    name = (
        torch.cuda.get_device_name() if device.is_cuda else torch.backends.cpu.get_cpu_capability()
    )
    print(
        f'{options.device} ({name}), {torch.get_num_threads()} threads, torch {torch.__version__}'
    )
    base = TED if options.ted or device.is_cuda else CAMERA if options.camera else Setting()
    if device.is_cuda or torch.cpu._is_avx512_bf16_supported():
        dtypes = [torch.float32, torch.bfloat16] + [torch.float16] * device.is_cuda
    else:
        print('no bfloat16 units: float32 only')
        dtypes = [torch.float32]
    for dtype in dtypes:
        report(device, replace(base, dtype=dtype), options.repeat)


if __name__ == '__main__':
    main()
