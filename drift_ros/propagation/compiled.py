"""Label propagation on a CPU with the compiled search of src/topk.cpp, where it was built.

There is one library per instruction set; all do the same. Without a compiler at installation there
is none, and `tiled` does the work.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

import drift_ros
from drift_ros.propagation.labels import LabelMean
from drift_ros.propagation.window import Frames

SPARE = 16  # room for ties with the k-th match
MOST_MATCHES = 64  # of a target; sorted insertion is for short lists
ENTRIES = 2**22  # of the lists of targets with many ties that are searched at a time, 32 MiB
COPY_BYTES = 2**25  # of frames that are brought into the library's layout at a time
LEVELS = {'AVX512': ['avx512', 'avx2', 'baseline'], 'AVX2': ['avx2', 'baseline']}


def suits(context: Tensor, top_k: int) -> bool:
    """Whether `propagate_labels` can search a context (T, h, w, C), or `tiled` has to."""
    places = context.shape[0] * context.shape[1] * context.shape[2]
    small = top_k <= MOST_MATCHES and places < 2**31
    return context.device.type == 'cpu' and small and _library() is not None


def propagate_labels(
    query: Tensor, frames: list[Frames], labels: LabelMean, temperature: float, top_k: int
) -> Tensor:
    """Mean labels (h, w, K) of the best matches of each cell; `suits` has to be true.

    Args:
        query: (h, w, C) descriptors.
        frames: the context.
        labels: of the context.
        temperature: of the softmax.
        top_k: number of matches; ties with the last one count too.
    """
    most = sum(part.most for part in frames)
    everyone = torch.arange(query.shape[0] * query.shape[1])
    matches = _Matches(everyone, min(top_k, most), min(top_k + SPARE, most))
    matches.search(query, frames)
    result = matches.mean(labels, temperature)
    crowded = matches.crowded().nonzero()[:, 0]
    step = max(1, ENTRIES // most)
    for begin in range(0, len(crowded), step):
        targets = crowded[begin : begin + step]
        matches = _Matches(targets, min(top_k, most), most)
        matches.search(query, frames)
        result[targets] = matches.mean(labels, temperature)
    return result.view(*query.shape[:2], -1)


class _Matches:
    """The best matches of some targets.

    Args:
        targets: (n,) int64 numbers of cells.
        count: number of matches wanted.
        room: matches that are kept of each target, ties with the last one included.
    """

    def __init__(self, targets: Tensor, count: int, room: int) -> None:
        self._targets = targets
        self._values = torch.full((len(targets), room), -torch.inf)
        self._places = torch.zeros((len(targets), room), dtype=torch.int32)
        self._counts = torch.zeros(len(targets), dtype=torch.int32)
        self._dropped = torch.full((len(targets),), -torch.inf)
        self._threshold = self._values[:, count - 1]  # similarity of the last one that is wanted
        self._count = count

    def search(self, query: Tensor, frames: list[Frames]) -> None:
        """Enter the matches of the targets of a query (h, w, C) in all frames."""
        height, width, channels = query.shape
        query = query.float().contiguous()
        row = torch.full((height * width,), -1, dtype=torch.int32)
        row[self._targets] = torch.arange(len(self._targets), dtype=torch.int32)
        library = _library()
        assert library is not None
        for part in frames:
            for first, context in _in_layout(part):
                library.topk_search(
                    _Search(
                        query=query.data_ptr(),
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
                        row=row.data_ptr(),
                        values=self._values.data_ptr(),
                        places=self._places.data_ptr(),
                        counts=self._counts.data_ptr(),
                        dropped=self._dropped.data_ptr(),
                    ),
                    torch.get_num_threads(),
                )

    def mean(self, labels: LabelMean, temperature: float) -> Tensor:
        """Mean labels (n, K) of the matches."""
        most = int(self._counts.max())
        values = self._values[:, :most]
        weights = values.sub(values[:, :1]).div_(temperature).exp_()
        weights.masked_fill_(values < self._threshold[:, None], 0)
        return labels.at(weights, self._places[:, :most])

    def crowded(self) -> Tensor:
        """Whether a target has more ties with the last match than there was room for, (n,) bool."""
        return (self._dropped == self._threshold) & (self._threshold > -torch.inf)


class _Search(ctypes.Structure):
    """`Search` in src/topk.cpp, which says what the fields mean."""

    _fields_ = (
        [(name, ctypes.c_void_p) for name in ('query', 'context')]
        + [(name, ctypes.c_int64) for name in ('frames', 'height', 'width', 'channels')]
        + [(name, ctypes.c_int64) for name in ('place', 'reach', 'radius', 'k', 'room')]
        + [(name, ctypes.c_void_p) for name in ('row', 'values', 'places', 'counts', 'dropped')]
    )


def _in_layout(part: Frames) -> Iterator[tuple[int, Tensor]]:
    """Number of the first frame and float32 frames (t, h, w, C) without gaps; copied if need be."""
    descriptors = part.descriptors
    step = len(descriptors)
    if descriptors.dtype != torch.float32 or not descriptors.is_contiguous():
        step = max(1, COPY_BYTES // (4 * descriptors[0].numel()))
    for begin in range(0, len(descriptors), step):
        yield part.first + begin, descriptors[begin : begin + step].float().contiguous()


@lru_cache(maxsize=1)
def _library() -> ctypes.CDLL | None:
    """The library for this processor; None where none was built."""
    for level in LEVELS.get(torch.backends.cpu.get_cpu_capability(), ['baseline']):
        for root in drift_ros.__path__:
            for path in Path(root, 'propagation').glob(f'_topk_{level}*.so'):
                library = ctypes.CDLL(str(path))  # calls release the interpreter's lock
                library.topk_search.argtypes = [ctypes.POINTER(_Search), ctypes.c_int64]
                library.topk_search.restype = None
                return library
    return None
