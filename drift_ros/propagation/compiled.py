"""Label propagation on a CPU with the compiled search of src/topk.cpp, where it was built.

There is one library per instruction set; all do the same. Without a compiler at installation there
is none, and `tiled` does the work.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import drift_ros
from drift_ros.propagation.labels import LabelMean
from drift_ros.propagation.window import Frames, Task

SPARE = 16  # room for ties with the k-th match
MOST_MATCHES = 64  # of a target; sorted insertion is for short lists
ENTRIES = 2**22  # of the lists of targets with many ties that are searched at a time, 32 MiB
COPY_BYTES = 2**25  # of frames that are brought into the library's layout at a time
VERSION = 1  # of the structures below, as in src/topk.cpp
LEVELS = {'AVX512': ['avx512', 'avx2', 'baseline'], 'AVX2': ['avx2', 'baseline']}


def suits(context: Tensor, top_k: int) -> bool:
    """Whether `propagate_labels` can search a context (T, h, w, C), or `tiled` has to."""
    places = context.shape[0] * context.shape[1] * context.shape[2]
    small = top_k <= MOST_MATCHES and places < 2**31
    return context.device.type == 'cpu' and small and _library() is not None


def propagate_labels(task: Task) -> Tensor:
    """Mean labels (h, w, K) of the best matches of each cell; `suits` has to be true."""
    query, temperature, top_k = task.query, task.temperature, task.top_k
    frames = task.sharing.parts(task.context)
    mean = LabelMean(task.labels, task.known)
    most = sum(part.most for part in frames)
    everyone = np.arange(query.shape[0] * query.shape[1])
    matches = _Matches(everyone, min(top_k, most), min(top_k + SPARE, most))
    matches.search(query, frames)
    result = matches.mean(mean, temperature)
    crowded = np.flatnonzero(matches.crowded())
    step = max(1, ENTRIES // most)
    for begin in range(0, len(crowded), step):
        targets = crowded[begin : begin + step]
        matches = _Matches(targets, min(top_k, most), most)
        matches.search(query, frames)
        result[targets] = matches.mean(mean, temperature)
    return torch.from_numpy(result).view(*query.shape[:2], -1)


class _Matches:
    """The best matches of some targets.

    Numpy holds them since it has no threads of its own: those of torch would wait for each other
    with the processor busy after each small step.

    Args:
        targets: (n,) numbers of cells.
        count: number of matches wanted.
        room: matches that are kept of each target, ties with the last one included.
    """

    def __init__(self, targets: NDArray[np.int64], count: int, room: int) -> None:
        self._targets = targets
        self._values = np.full((len(targets), room), -np.inf, np.float32)
        self._places = np.zeros((len(targets), room), np.int32)
        self._counts = np.zeros(len(targets), np.int32)
        self._dropped = np.full(len(targets), -np.inf, np.float32)
        self._count = count

    def search(self, query: Tensor, frames: list[Frames]) -> None:
        """Enter the matches of the targets of a query (h, w, C) in all frames."""
        height, width, channels = query.shape
        query = query.float()
        row = np.full(height * width, -1, np.int32)
        row[self._targets] = np.arange(len(self._targets))
        for part in frames:
            for first, context in _in_layout(part):
                search = _Search(
                    query=query.data_ptr(),
                    query_strides=query.stride(),
                    context=context.data_ptr(),
                    frames=len(context),
                    height=height,
                    width=width,
                    channels=channels,
                    place=first * height * width,
                    reach=part.window.reach,
                    radius=part.window.disc,
                    k=self._count,
                    room=self._values.shape[1],
                    row=row.ctypes.data,
                    values=self._values.ctypes.data,
                    places=self._places.ctypes.data,
                    counts=self._counts.ctypes.data,
                    dropped=self._dropped.ctypes.data,
                )
                _built().topk_search(search, torch.get_num_threads())

    def mean(self, labels: LabelMean, temperature: float) -> NDArray[np.float32]:
        """Mean labels (n, K) of the matches."""
        table = labels.labels.contiguous()
        known = None if labels.known is None else labels.known.contiguous()
        result = np.empty((len(self._targets), labels.classes), np.float32)
        mean = _Mean(
            n=len(self._targets),
            room=self._values.shape[1],
            values=self._values.ctypes.data,
            places=self._places.ctypes.data,
            counts=self._counts.ctypes.data,
            temperature=temperature,
            labels=table.data_ptr(),
            known=None if known is None else known.data_ptr(),
            cells=table.shape[1] * table.shape[2],
            classes=labels.classes,
            means=result.ctypes.data,
        )
        _built().topk_mean(mean, torch.get_num_threads())
        return result

    def crowded(self) -> NDArray[np.bool_]:
        """Whether a target has more ties with the last match than there was room for, (n,)."""
        threshold = self._values[:, self._count - 1]
        crowded: NDArray[np.bool_] = (self._dropped == threshold) & (threshold > -np.inf)
        return crowded


class _Search(ctypes.Structure):
    """`Search` in src/topk.cpp, which says what the fields mean."""

    _fields_ = (
        [('query', ctypes.c_void_p)]
        + [('query_strides', 3 * ctypes.c_int64)]
        + [('context', ctypes.c_void_p)]
        + [(name, ctypes.c_int64) for name in ('frames', 'height', 'width', 'channels')]
        + [(name, ctypes.c_int64) for name in ('place', 'reach', 'radius', 'k', 'room')]
        + [(name, ctypes.c_void_p) for name in ('row', 'values', 'places', 'counts', 'dropped')]
    )


class _Mean(ctypes.Structure):
    """`Mean` in src/topk.cpp, which says what the fields mean."""

    _fields_ = (
        [(name, ctypes.c_int64) for name in ('n', 'room')]
        + [(name, ctypes.c_void_p) for name in ('values', 'places', 'counts')]
        + [('temperature', ctypes.c_float)]
        + [(name, ctypes.c_void_p) for name in ('labels', 'known')]
        + [(name, ctypes.c_int64) for name in ('cells', 'classes')]
        + [('means', ctypes.c_void_p)]
    )


def _in_layout(part: Frames) -> Iterator[tuple[int, Tensor]]:
    """Number of the first frame and float32 frames (t, h, w, C) without gaps; copied if need be."""
    descriptors = part.descriptors
    step = len(descriptors)
    if descriptors.dtype != torch.float32 or not descriptors.is_contiguous():
        step = max(1, COPY_BYTES // (4 * descriptors[0].numel()))
    for begin in range(0, len(descriptors), step):
        yield part.first + begin, descriptors[begin : begin + step].float().contiguous()


def _built() -> ctypes.CDLL:
    library = _library()
    assert library is not None, '`suits` has not been asked'
    return library


@lru_cache(maxsize=1)
def _library() -> ctypes.CDLL | None:
    """The library for this processor; None where none was built."""
    for level in LEVELS.get(torch.backends.cpu.get_cpu_capability(), ['baseline']):
        for root in drift_ros.__path__:
            for path in Path(root, 'propagation').glob(f'_topk_{level}*.so'):
                library = ctypes.CDLL(str(path))  # calls release the interpreter's lock
                version = getattr(library, 'topk_version', None)
                if version is None or version() != VERSION:  # left from an earlier build
                    continue
                library.topk_search.argtypes = [ctypes.POINTER(_Search), ctypes.c_int64]
                library.topk_mean.argtypes = [ctypes.POINTER(_Mean), ctypes.c_int64]
                library.topk_search.restype = library.topk_mean.restype = None
                return library
    return None
