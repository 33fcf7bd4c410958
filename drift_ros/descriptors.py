"""What extractors give and affinities compare."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Descriptors:
    """Descriptors of n frames on regular grids of cells.

    A frame whose labels are sought is compared with a labelled one map by map: `queries[i]` of the
    former with `keys[i]` of the latter. Plain features are one map that is query and key; attention
    has a map per head, and the grids of several layers may differ.

    Attributes:
        queries: of n >= 1 frames, (n, C_i, h_i, w_i) each, in the extractor's dtype.
        keys: of the same shapes; the very same tuple where queries are keys.
        stride: px per cell of the finest grid, at the network's resolution: H = h * stride and
            W = w * stride. Labels lie on this grid.
    """

    queries: tuple[Tensor, ...]
    keys: tuple[Tensor, ...]
    stride: int

    @classmethod
    def of(cls, features: Tensor, stride: int) -> Descriptors:
        """Plain features (n, C, h, w), compared with themselves."""
        maps = (features,)
        return cls(maps, maps, stride)

    @classmethod
    def concatenate(cls, parts: Sequence[Descriptors]) -> Descriptors:
        """Those of several frames one after the other; the parts are of one extractor and size."""
        first = parts[0]
        if len(parts) == 1:
            return first
        keys = queries = tuple(map(torch.cat, zip(*(p.queries for p in parts), strict=True)))
        if first.keys is not first.queries:
            keys = tuple(map(torch.cat, zip(*(p.keys for p in parts), strict=True)))
        return cls(queries, keys, first.stride)

    @property
    def features(self) -> Tensor:
        """Plain features, (n, C, h, w)."""
        assert self.keys is self.queries, 'queries and keys differ: these are no plain features'
        (features,) = self.queries
        return features

    @property
    def grid(self) -> tuple[int, int]:
        """(h, w) of the finest grid."""
        return max((m.shape[-2], m.shape[-1]) for m in self.queries)

    @property
    def device(self) -> torch.device:
        """Where they are."""
        return self.queries[0].device

    def __len__(self) -> int:
        return len(self.queries[0])

    def __getitem__(self, frames: slice) -> Descriptors:
        return self.map(lambda maps: maps[frames])

    def frames(self) -> Iterator[Descriptors]:
        """Those of one frame after the other (n = 1)."""
        return (self[i : i + 1] for i in range(len(self)))

    def map(self, function: Callable[[Tensor], Tensor]) -> Descriptors:
        """Every map through a function that keeps its first dimension; queries that are keys stay
        so.
        """
        keys = queries = tuple(map(function, self.queries))
        if self.keys is not self.queries:
            keys = tuple(map(function, self.keys))
        return Descriptors(queries, keys, self.stride)
