"""What is known about points after a frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drift_ros.points.judging import Memory
from drift_ros.points.layers import NONE, Layers
from drift_ros.points.matching import FrameMaps, Vectors
from drift_ros.points.registration import Image

Floats = NDArray[np.float32]

# misfit of what was not compared yet, in grey levels, and by how much it is larger than without
UNKNOWN, UNPROVEN = 12.0, np.float32(4)


@dataclass(frozen=True, slots=True, eq=False)
class Queries:
    """Points that were named on one frame: ids (N,) int64 and positions (N, 2) float32 in px."""

    ids: NDArray[np.int64]
    positions: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A frame of queries: what points are compared with, and its image without light and shade."""

    maps: FrameMaps
    image: Image


class Group(NamedTuple):
    """Points whose queries are on one frame.

    Attributes:
        source: that frame.
        rows: (n,) int64 of the points.
        asked: (n, 2) float32 px where they were asked for.
    """

    source: Source
    rows: NDArray[np.int64]
    asked: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Path:
    """Where N points would be if they had moved with one layer, or are without one.

    Attributes:
        places: (N, 2) float32 in px.
        misfit: (N,) float32 grey levels by which the image there is not that around their queries,
            mean over the newest images.
    """

    places: Floats
    misfit: Floats

    def __getitem__(self, kept: NDArray[np.bool_]) -> Path:
        """Of the points that are kept (N,)."""
        return Path(self.places[kept], self.misfit[kept])

    @classmethod
    def concatenate(cls, parts: Sequence[Path]) -> Path:
        """Of several groups of points."""
        places, misfit = ([getattr(p, name) for p in parts] for name in ('places', 'misfit'))
        return cls(np.concatenate(places), np.concatenate(misfit))


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """What is known after a frame about N points, ordered by the frames of their queries.

    Attributes:
        ids: (N,) int64.
        born: (N,) number of the frame of each query.
        places: (N, 2) in cells.
        positions: (N, 2) float32 in px.
        small: (h, w) the image of the frame at the size of the flow; None without flow.
        visible: (N,) bool.
        vectors: what is sought.
        layer: (N,) number of the layer that each point moves with; -1 for none.
        patches: (N, 21, 21) uint8, the image around each query, without light and shade.
        paths: of each layer, by its number, and without one (-1).
        layers: of the image.
        memory: of the network that decides; None where rules do.
    """

    ids: NDArray[np.int64]
    born: NDArray[np.int64]
    places: Tensor
    positions: NDArray[np.float32]
    small: Image | None
    visible: Tensor
    vectors: Vectors
    layer: NDArray[np.int64]
    patches: Image
    paths: dict[int, Path]
    layers: Layers | None = None
    memory: Memory | None = None

    def __getitem__(self, kept: NDArray[np.bool_]) -> State:
        """Of the points that are kept (N,)."""
        rows = torch.from_numpy(np.flatnonzero(kept)).to(self.places.device)
        return replace(
            self,
            ids=self.ids[kept],
            born=self.born[kept],
            places=self.places[rows],
            positions=self.positions[kept],
            visible=self.visible[rows],
            vectors=self.vectors[rows],
            layer=self.layer[kept],
            patches=self.patches[kept],
            paths={number: path[kept] for number, path in self.paths.items()},
            memory=None if self.memory is None else self.memory[rows],
        )

    def path(self, number: int) -> Path:
        """Of a layer; one that is new has to prove that it fits better than none."""
        if number in self.paths:
            return self.paths[number]
        misfit = np.full(len(self.ids), UNKNOWN, np.float32)
        if NONE in self.paths:
            misfit = np.maximum(misfit, self.paths[NONE].misfit + UNPROVEN)
        return Path(self.positions, misfit)

    @classmethod
    def concatenate(cls, parts: Sequence[State]) -> State:
        """Of several groups of points after the same frame; layers are those of the first."""
        if len(parts) == 1:
            return parts[0]
        memories = [p.memory for p in parts if p.memory is not None]
        return replace(
            parts[0],
            ids=np.concatenate([p.ids for p in parts]),
            born=np.concatenate([p.born for p in parts]),
            places=torch.cat([p.places for p in parts]),
            positions=np.concatenate([p.positions for p in parts]),
            visible=torch.cat([p.visible for p in parts]),
            vectors=Vectors.concatenate([p.vectors for p in parts]),
            layer=np.concatenate([p.layer for p in parts]),
            patches=np.concatenate([p.patches for p in parts]),
            paths={n: Path.concatenate([p.path(n) for p in parts]) for n in parts[0].paths},
            memory=Memory.concatenate(memories) if memories else None,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Ruled:
    """Where N points are said to be, and why.

    Attributes:
        positions: (N, 2) float32 in px.
        confidence: (N,) 0 to 1.
        kept: (N,) bool, where motion took them.
        exact: (N,) bool, registered, or seen there for sure.
        doubt: (N,) float32, distance / limit of the check of each.
    """

    positions: Floats
    confidence: Tensor
    kept: NDArray[np.bool_]
    exact: NDArray[np.bool_]
    doubt: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What is known after a frame, with confidences (N,)."""

    state: State
    confidence: Tensor
