"""Targets that look alike, distinguished by their motion where they touch or hide each other.

Descriptors cannot tell them apart, so what propagation finds is where *one of them* is. Which one
is decided here, for each connected component of what was found:

- Every target takes the component that fits best where it is expected, what the propagation says
  of it and how large it is (an assignment of least cost). So targets that passed each other keep
  their ids, whatever the labels of a moment say.
- Targets without a component of their own share one with the target that covers it, if they are
  expected there. Its cells are divided by where the shapes of the targets fit into it best, and by
  the flow since the frame before; by flow first where shapes do not fit, for they have changed.

The sum of the labels of a group does not change, and so no outline does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import cdist
from torch import Tensor

from drift_ros.structures import Frame, TargetState, TrackedObject
from drift_ros.tracking.motion import Vector
from drift_ros.tracking.optical_flow import LEAST, Flow, small_grey
from drift_ros.tracking.shape_fit import Fit, fit, shifted
from drift_ros.tracking.slots import strongest
from drift_ros.tracking.states import NOBODY, Sighting, Track

COLOURS = 0.7  # intersection of the colour histograms of two targets that look alike
BINS = 16  # per axis of chroma in Lab
CELLS = 4  # of a component that counts
SPREAD = 0.25  # sizes of a target: how far it may be from where it is expected
FARTHEST = 8.0  # cost of a component that lies anywhere
HIDDEN = 12.0  # of being nowhere
SHARE, AREA = 2.0, 0.5  # weights of the share of the labels and of the area, as -log
PART = 0.5  # of a target's area; what is smaller is hardly all of it
PARTIAL = 6.0  # cost of that
COVERED = 0.3  # of a target's expected shape, from which on it is in a component
LABELLED = 0.1  # likewise of its cells, by their labels or by the flow
SEEN = 0.1  # of a cell: what flow says of it counts
FAINT = 0.02  # share of a target that nothing speaks for
SHOWN = 0.3  # of a target, from which on flow says where it went
FITS = 0.8  # overlap of shapes and what is shown, from which on they say where targets are,
DECIDED = 0.3  # and this is the least share of a cell that flow and labels leave to a target
FITTED, CARRIED = 0.05, 0.15  # deviations of places, in sizes: of a shape that fits, by flow
WHOLE = 0.5  # of its area before, from which on a target has a new shape

Floats = NDArray[np.float32]
Partly = Mapping[int, Sighting | None]  # id -> where targets are that are seen in part


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """How a target lay in the last frame in which nothing like it touched it.

    Attributes:
        mask: (h, w) share of each cell.
        centroid: (x, y) in px.
        area: in cells.
    """

    mask: Floats
    centroid: Vector
    area: float


@dataclass(frozen=True, slots=True, eq=False)
class _Moment:
    number: int
    grey: NDArray[np.uint8]
    ids: NDArray[np.uint8]
    shapes: Mapping[int, Shape]


@dataclass(frozen=True, slots=True)
class _Member:
    id: int
    slot: int
    track: Track
    shape: Shape


class LookAlikes:
    """Remembers as many frames as tracking may go back by, and no more.

    Args:
        history: number of frames.
    """

    def __init__(self, history: int) -> None:
        self._moments: deque[_Moment] = deque(maxlen=history + 1)
        self._colours: dict[int, Floats] = {}

    def reset(self) -> None:
        """Forget all frames."""
        self._moments.clear()

    def keep(self, ids: Collection[int]) -> None:
        """Forget the targets that are not among these."""
        self._colours = {id_: seen for id_, seen in self._colours.items() if id_ in ids}

    def introduce(self, image: NDArray[np.uint8], masks: Mapping[int, NDArray[np.bool_]]) -> None:
        """Take in the colours of targets where they are given.

        Args:
            image: (H, W, 3) uint8 RGB.
            masks: id -> (H, W), somewhere true.
        """
        lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
        for id_, mask in masks.items():
            found = cv2.calcHist(
                [lab], [1, 2], mask.astype(np.uint8), [BINS, BINS], [64, 192, 64, 192]
            )
            self._colours[id_] = np.asarray(found / max(1.0, float(found.sum())), np.float32)

    def go_back_to(self, number: int) -> None:
        """Forget what was found from this frame number on."""
        while self._moments and self._moments[-1].number >= number:
            self._moments.pop()

    def separate(
        self,
        frame: Frame,
        soft: Tensor,
        slots: Mapping[int, int],
        alike: Tensor,
        expected: Mapping[int, Track],
    ) -> tuple[Tensor, Partly]:
        """Give each component, or each part of one, to the target that it shows.

        Args:
            frame: the next frame.
            soft: (K, h, w) float32 soft labels, channel 0 = background.
            slots: id -> its channel.
            alike: (K, K) bool, which targets have descriptors that are alike; those whose colours
                are not are left alone.
            expected: id -> what is expected of each target in this frame.

        Returns:
            (K, h, w) soft labels, `soft` itself where nothing changes; and where those targets are
            that share a component: the centroids of what is seen of them say nothing.
        """
        if not self._moments or min(frame.size) < LEAST:
            return soft, NOBODY
        before = self._moments[-1]
        partly: dict[int, Sighting | None] = {}
        for group in _groups(alike.numpy() & self._same_colours(slots, len(alike))):
            members = [
                _Member(id_, slot, expected[id_], before.shapes[id_])
                for id_, slot in slots.items()
                if slot in group
                and id_ in before.shapes
                and id_ in expected
                and expected[id_].state != TargetState.LOST
            ]
            if len(members) > 1:
                scene = _Scene(frame, soft, members, before)
                soft = scene.separated()
                partly |= scene.partly
        return soft, partly

    def _same_colours(self, slots: Mapping[int, int], count: int) -> NDArray[np.bool_]:
        """(count, count), by slots."""
        same = np.zeros((count, count), bool)
        known = [id_ for id_ in slots if id_ in self._colours]
        if known:
            colours = np.stack([self._colours[id_].ravel() for id_ in known])
            places = [slots[id_] for id_ in known]
            # histograms that sum to 1 share what their differences leave
            same[np.ix_(places, places)] = 1 - cdist(colours, colours, 'cityblock') / 2 >= COLOURS
        return same

    def observe(
        self,
        number: int,
        frame: Frame,
        labels: NDArray[np.uint8],
        objects: Sequence[TrackedObject],
        grid: tuple[int, int],
        sharing: Collection[int] = (),
    ) -> None:
        """Remember a frame.

        Args:
            number: of the frame.
            frame: it.
            labels: (H, W) ids.
            objects: every target.
            grid: (h, w) of the labels that are propagated.
            sharing: ids of those that share a component: their shape stays.
        """
        known = self._moments[-1].shapes if self._moments else {}
        shapes: dict[int, Shape] = {}
        for obj in objects:
            shape = known.get(obj.id)
            if obj.visible and (shape is None or obj.id not in sharing):
                new = _shape(labels == obj.id, obj.centroid, grid)
                if shape is None or new.area > WHOLE * shape.area:
                    shape = new
            if shape is not None:
                shapes[obj.id] = shape
        grey = small_grey(frame.image)
        ids = cv2.resize(labels, grey.shape[::-1], interpolation=cv2.INTER_NEAREST)
        self._moments.append(_Moment(number, grey, np.asarray(ids, np.uint8), shapes))


class _Scene:
    """One group of targets that look alike, in one frame."""

    def __init__(
        self, frame: Frame, soft: Tensor, members: Sequence[_Member], before: _Moment
    ) -> None:
        self.partly: dict[int, Sighting | None] = {}
        self._frame, self._soft, self._members, self._before = frame, soft, members, before
        self._labels = soft[[m.slot for m in members]].cpu().numpy()
        slots = strongest(soft).cpu().numpy()
        self._owners = np.full(slots.shape, -1)  # index of the member whose cell it is
        for index, member in enumerate(members):
            self._owners[slots == member.slot] = index
        shown = (self._owners >= 0).astype(np.uint8)
        _, self._components, stats, self._centres = cv2.connectedComponentsWithStats(
            shown, connectivity=4
        )
        self._areas = stats[:, cv2.CC_STAT_AREA]
        self._numbers = [n for n in range(1, len(stats)) if self._areas[n] >= CELLS]
        self._cell = frame.size[1] / slots.shape[1]  # px

    def separated(self) -> Tensor:
        """Soft labels in which every component is of those that are in it."""
        divided = self._labels.copy()
        for number, members in self._assigned().items():
            inside = self._components == number
            total = self._labels[:, inside].sum(0)
            divided[:, inside] = 0
            if len(members) == 1:
                divided[members[0], inside] = total
                continue
            fitted = self._fitted(members, inside)
            shares = self._divided(members, fitted)[:, inside]
            for index, share, shift in zip(members, shares, fitted.shifts, strict=True):
                divided[index, inside] = share * total
                member = self._members[index]
                self.partly[member.id] = (
                    Sighting(member.track.motion.place + shift * self._cell, FITTED)
                    if fitted.overlap >= FITS
                    else self._sighting(member)
                )
        if np.array_equal(divided, self._labels):
            return self._soft
        soft = self._soft.clone()
        soft[[m.slot for m in self._members]] = torch.from_numpy(divided).to(soft.device)
        return soft

    def _assigned(self) -> dict[int, list[int]]:
        """Number of a component -> indices of the targets that are in it."""
        if not self._numbers:
            return {}
        costs = np.array([self._costs(index) for index in range(len(self._members))])
        nowhere = np.full((len(costs), len(costs)), HIDDEN)
        rows, columns = linear_sum_assignment(np.hstack([costs, nowhere]))
        found: dict[int, list[int]] = {}
        alone = []
        for index, column in zip(rows.tolist(), columns.tolist(), strict=True):
            if column < len(self._numbers):
                found[self._numbers[column]] = [index]
            else:
                alone.append(index)
        for index in alone:
            evidence = [self._presence(index, number) for number in self._numbers]
            if max(evidence) > 0:
                found.setdefault(self._numbers[int(np.argmax(evidence))], []).append(index)
        return found

    def _costs(self, index: int) -> list[float]:
        """What it costs a target to be each component: how unlikely that is, as -log."""
        track, shape = self._members[index].track, self._members[index].shape
        size = np.sqrt(shape.area)
        place = (track.motion.place + 0.5) / self._cell - 0.5
        variance = SPREAD**2 + min(1.0, track.motion.deviation / (size * self._cell)) ** 2
        found = []
        for number in self._numbers:
            distance = ((self._centres[number] - place) ** 2).sum() / shape.area
            share = (self._owners[self._components == number] == index).mean()
            ratio = self._areas[number] / shape.area
            cost = min(distance / (2 * variance), FARTHEST)
            cost -= SHARE * np.log(share + FAINT) + AREA * np.log(min(1.0, ratio))
            found.append(float(cost + (PARTIAL if ratio < PART else 0)))
        return found

    def _presence(self, index: int, number: int) -> float:
        """How much of a target is in a component that is another's; 0 if too little."""
        inside = self._components == number
        outline = self._outline(index)
        covered = float(outline[inside].sum()) / max(1e-6, float(outline.sum()))
        labelled = max(
            float((self._owners[inside] == index).sum()), float(self._carried[index][inside].sum())
        )
        labelled /= self._members[index].shape.area
        return max(covered * (covered > COVERED), labelled * (labelled > LABELLED))

    def _divided(self, indices: Sequence[int], fitted: Fit) -> Floats:
        """(n, h, w) shares of each cell that targets have which are in the same component."""
        carried, labels = self._carried[indices], self._labels[indices]
        flow, sums = carried.sum(0), labels.sum(0)
        even = np.full_like(labels, 1 / len(indices))
        ratio = np.where(sums > SEEN / 2, labels / np.maximum(sums, 1e-6), even)
        ratio = np.where(flow > SEEN, carried / np.maximum(flow, 1e-6), ratio)
        outlines, least = fitted.outlines, DECIDED
        if fitted.overlap < FITS:
            outlines, least = np.stack([self._outline(i) for i in indices]), FAINT
        blurred = np.stack([cv2.blur(outline, (3, 3)) for outline in outlines])
        shares = np.maximum(ratio, least) * (blurred + SEEN / 2)
        return np.asarray(shares / shares.sum(0), np.float32)

    def _fitted(self, indices: Sequence[int], inside: NDArray[np.bool_]) -> Fit:
        """The shapes of the targets in a component."""
        shown = np.where(inside, self._labels.sum(0), 0).astype(np.float32).clip(0, 1)
        tracks = [self._members[i].track for i in indices]
        still = np.stack([(t.origin - t.motion.place) / self._cell for t in tracks])
        return fit(shown, np.stack([self._outline(i) for i in indices]), still)

    def _outline(self, index: int) -> Floats:
        """(h, w) the shape of a target where it is expected."""
        member = self._members[index]
        by = (member.track.motion.place - member.shape.centroid) / self._cell
        return shifted(member.shape.mask, by)

    @cached_property
    def _flow(self) -> Flow:
        return Flow.between(self._before.grey, small_grey(self._frame.image))

    @cached_property
    def _carried(self) -> Floats:
        """(n, h, w) the share of each cell that flow gives to a target."""
        ids = self._flow.carried(self._before.ids)
        size = self._owners.shape[::-1]
        shares = [
            cv2.resize((ids == m.id).astype(np.float32), size, interpolation=cv2.INTER_AREA)
            for m in self._members
        ]
        return np.stack(shares)

    def _sighting(self, member: _Member) -> Sighting | None:
        """Where flow leads a target to."""
        ids = self._before.ids
        pixels = member.shape.area * ids.size / self._owners.size
        found = self._flow.movement(ids == member.id, int(SHOWN * pixels) + 1)
        scale = self._frame.size[1] / ids.shape[1]
        if found is None:
            return None
        return Sighting(member.track.origin + found.astype(float) * scale, CARRIED)


def _groups(alike: NDArray[np.bool_]) -> Iterator[set[int]]:
    """Slots of targets that look alike, directly or by others between them."""
    count, numbers = connected_components(alike, directed=False)
    for number in range(count):
        group = set(np.flatnonzero(numbers == number).tolist())
        if len(group) > 1:
            yield group


def _shape(mask: NDArray[np.bool_], centroid: tuple[float, float], grid: tuple[int, int]) -> Shape:
    cells = cv2.resize(mask.astype(np.float32), grid[::-1], interpolation=cv2.INTER_AREA)
    return Shape(
        np.asarray(cells, np.float32), np.asarray(centroid, float), max(1.0, float(cells.sum()))
    )
