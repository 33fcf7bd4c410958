"""Points through the described frames of a stream."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from drift_ros.descriptors import Descriptors
from drift_ros.errors import PromptError
from drift_ros.interruption import checkpoint
from drift_ros.points.carrying import carry
from drift_ros.points.deciding import decide
from drift_ros.points.grid import Grid
from drift_ros.points.judging import Judge, Seen
from drift_ros.points.layers import NONE
from drift_ros.points.matching import FrameMaps, Matcher
from drift_ros.points.motion import Motion
from drift_ros.points.registration import Image, flatten, patches
from drift_ros.points.ruling import Rules
from drift_ros.points.states import Found, Group, Queries, Source, State
from drift_ros.settings import PointSettings
from drift_ros.structures import TrackedPoints
from drift_ros.tracking.anchors import unit_features
from drift_ros.tracking.cuts import Cuts
from drift_ros.tracking.window_buffer import BufferedFrame

FOUND = 0.25  # share of the points that must be found after a cut, where the view is another one
ALIKE, NEAR = 0.2, 1 / 60  # share of those that moved alike; to within that much of the short side
FEWEST = 5  # points that moved alike by chance hardly ever
_EMPTY = (
    np.zeros(0, np.int64),
    np.zeros((0, 2), np.float32),
    np.zeros(0, bool),
    np.zeros(0, np.float32),
)


class PointFollower:
    """Follows points from frame to frame.

    Results depend on the frames, the queries and the settings only. After a cut no point is visible
    until the old view is back, or many are found in the new one. Memory is bounded: what was known
    after each of the last `history` frames, and the descriptors and images of the frames of
    queries.

    Args:
        settings: how.
        heads: those of the extractor.
        history: number of frames that `go_back_to` may go back by.

    Raises:
        SettingsError: `points.heads` names a head that the extractor does not read.
        CheckpointError: `points.checkpoint` cannot be used.

    Attributes:
        judge: says where points are, with `points.decision: learned`; else None.
        generation: another one whenever all points are given anew, the first at random.
        count: number of points.
    """

    def __init__(
        self, settings: PointSettings, heads: Sequence[tuple[str, int]], history: int
    ) -> None:
        self._settings = settings
        self._matcher = Matcher(settings, heads)
        self._motion = Motion(settings.flow_side) if settings.motion != 'none' else None
        self._cuts = Cuts()
        self._history = history
        self.judge = Judge.load(settings.checkpoint) if settings.decision == 'learned' else None
        self.generation = random.getrandbits(31)
        self.reset()

    @property
    def ids(self) -> NDArray[np.int64]:
        """Of all points, rising."""
        each = [queries.ids for queries in self._queries.values()]
        return np.sort(np.concatenate(each)) if each else np.zeros(0, np.int64)

    def update(self, settings: PointSettings) -> None:
        """Take over changed settings: those marked `dynamic`."""
        self._settings = self._matcher.settings = settings

    def reset(self) -> None:
        """Forget all points; a new generation begins."""
        self.generation = (self.generation + 1) % 2**32
        self._next_id = 1
        self._cuts.reset()
        self.count = 0
        self._queries: dict[int, Queries] = {}  # by the number of their frame
        self._sources: dict[int, Source] = {}  # likewise
        self._states: dict[int, State] = {}  # by the number of the frame after which they hold
        self._trials: dict[int, State] = {}  # likewise, in views that may be of other things

    def add(self, number: int, positions: NDArray[np.float32]) -> NDArray[np.int64]:
        """Follow more points from a frame on, which has to come, or to come again.

        Args:
            number: of the frame.
            positions: (N, 2) in px, inside of it.

        Returns:
            (N,) their ids.

        Raises:
            PromptError: there are too many points or too many frames with queries.
        """
        most, most_frames = self._settings.most, self._settings.most_frames
        if self.count + len(positions) > most:
            raise PromptError(
                f'{len(positions)} more points would be {self.count + len(positions)}, and '
                f'points.most is {most}: give fewer, remove some, or raise it'
            )
        if number not in self._queries and len(self._queries) >= most_frames:
            raise PromptError(
                f'there are points from {len(self._queries)} frames already, and '
                f'points.most_frames is {most_frames}: name points on one of these frames, or give '
                'all points anew'
            )
        ids = np.arange(self._next_id, self._next_id + len(positions))
        self._next_id += len(positions)
        old = self._queries.get(number, Queries(ids[:0], positions[:0]))
        self._queries[number] = Queries(
            np.concatenate([old.ids, ids]), np.concatenate([old.positions, positions])
        )
        self.count += len(ids)
        return ids

    def remove(self, ids: Collection[int]) -> None:
        """Follow some points no longer.

        Raises:
            PromptError: an id is not followed; nothing changes then.
        """
        if unknown := sorted(set(ids) - set(self.ids.tolist())):
            raise PromptError(
                f'no points are followed under the ids {unknown[:5]}: ids are those that '
                'set_points gave'
            )
        gone = np.array(list(ids), np.int64)
        for number, queries in list(self._queries.items()):
            kept = ~np.isin(queries.ids, gone)
            if kept.any():
                self._queries[number] = Queries(queries.ids[kept], queries.positions[kept])
            else:
                del self._queries[number]
                self._sources.pop(number, None)
        self.count = len(self.ids)
        self._states, self._trials = (
            {number: state[~np.isin(state.ids, gone)] for number, state in known.items()}
            for known in (self._states, self._trials)
        )

    def go_back_to(self, number: int) -> None:
        """Forget what was found from this frame number on; queries stay."""
        self._cuts.go_back_to(number)
        self._states = {n: state for n, state in self._states.items() if n < number}
        self._trials = {n: state for n, state in self._trials.items() if n < number}
        self._sources = {n: each for n, each in self._sources.items() if n < number}

    def miss(self, numbers: Collection[int]) -> None:
        """Drop the points whose queries are on frames that failed."""
        for number in set(numbers) & set(self._queries):
            self.remove(self._queries[number].ids.tolist())

    @torch.no_grad()
    def step(self, entry: BufferedFrame, descriptors: Descriptors) -> TrackedPoints:
        """Where points are in a frame; those that are named on later frames are left out."""
        checkpoint()
        number = entry.number
        frame = self._matcher.prepare(descriptors)
        grid = Grid(entry.frame.size, frame.shape, frame.stride, self._settings.half_cell)
        found = []
        seen = self._look(entry, frame) if self._states or number in self._queries else None
        hidden = False  # the frame shows something else: points wait for the one before
        if self._states:
            last = max(self._states)
            before = self._states[last]
            now = self._find(before, entry, frame, grid, seen)
            if self._is_cut(entry, descriptors) and not _moved_together(before, now.state, entry):
                if last in self._trials:
                    now = self._find(self._trials[last], entry, frame, grid, seen)
                hidden = number not in self._queries and not _moved_together(
                    before, now.state, entry
                )
                if hidden:
                    self._trials[number] = now.state
            found.append(Found(before, torch.zeros_like(now.confidence)) if hidden else now)
        if number in self._queries:
            if not self._states:
                self._is_cut(entry, descriptors)
            found.append(self._begin(self._queries[number], entry, frame, grid, seen))
        if not found:
            return TrackedPoints(*_EMPTY, self.generation)
        if not hidden:
            self._cuts.go_on()
        state = self._states[number] = State.concatenate([each.state for each in found])
        for old in [n for n in self._states if n < number - self._history]:
            del self._states[old]
            self._trials.pop(old, None)
        confidence = torch.cat([each.confidence for each in found]).cpu().numpy()
        visible = state.visible.cpu().numpy() & (not hidden)
        order = np.argsort(state.ids)
        return TrackedPoints(
            state.ids[order],
            state.positions[order],
            visible[order],
            confidence[order],
            self.generation,
        )

    def _look(self, entry: BufferedFrame, frame: FrameMaps) -> Seen | None:
        """At an image, if that is learned: where the cosines of one map are compared."""
        if self.judge is None or not frame.cosine or len(frame.keys) > 1:
            return None
        return self.judge.look(entry.frame.image, frame.keys[0].device)

    def _is_cut(self, entry: BufferedFrame, descriptors: Descriptors) -> bool:
        """Whether a frame may show something else than the last one that counts; never where points
        do not go with the motion, as in the papers.
        """
        if self._motion is None:
            return False
        return self._cuts.is_cut(entry.number, unit_features(descriptors), entry.frame.image)

    def _small(self, entry: BufferedFrame) -> Image | None:
        return None if self._motion is None else self._motion.small(entry.frame.image)

    def _begin(
        self,
        queries: Queries,
        entry: BufferedFrame,
        frame: FrameMaps,
        grid: Grid,
        seen: Seen | None,
    ) -> Found:
        """Points on the frame of their query."""
        flat = flatten(entry.frame.image)
        self._sources[entry.number] = Source(frame, flat)
        count, device = len(queries.ids), frame.keys[0].device
        positions = torch.from_numpy(queries.positions).to(device)
        places = grid.to_cells(positions)
        visible = torch.ones(count, dtype=torch.bool, device=device)
        born = np.full(count, entry.number, np.int64)
        memory = None
        if self.judge is not None and seen is not None:
            memory = self.judge.begin(seen, positions, torch.from_numpy(queries.ids).to(device))
        state = State(
            queries.ids,
            born,
            places,
            queries.positions,
            self._small(entry),
            visible,
            frame.sample(places),
            np.full(count, NONE),
            patches(flat, queries.positions),
            {},
            memory=memory,
        )
        return Found(state, visible.float())

    def _find(
        self,
        state: State,
        entry: BufferedFrame,
        frame: FrameMaps,
        grid: Grid,
        seen: Seen | None,
    ) -> Found:
        """Points of earlier frames."""
        device = state.places.device
        field, small = None, self._small(entry)
        if self._motion is not None and state.small is not None and small is not None:
            field = self._motion.between(state.small, small, grid.size)
        flat = flatten(entry.frame.image)
        to = carry(state, field, self._settings, flat)
        groups = list(self._groups(state))
        memory = state.memory
        judge = self.judge if seen is not None and memory is not None else None
        rules = Rules(self._matcher, state, groups, frame, grid, flat)
        ruled = rules.apply(to)
        if judge is not None and seen is not None:
            temperature = self._settings.temperature
            ruled, memory = decide(
                judge, state, to, field, ruled, frame, grid, seen, temperature, flat
            )
        # motion goes on for points that left the image; no farther than one image beyond it
        size = np.array(grid.size[::-1], np.float32)
        positions = ruled.positions.clip(-size, 2 * size)
        places = grid.to_cells(torch.from_numpy(positions).to(device))
        visible = ruled.confidence >= 0.5
        vectors = state.vectors
        if refresh := self._settings.refresh:
            vectors = vectors.mixed(frame.sample(places), refresh * visible.float())
        state = replace(
            state,
            places=places,
            positions=positions,
            small=small,
            visible=visible,
            vectors=vectors,
            layer=to.layer,
            paths=to.pulled(positions, ruled.exact),
            layers=to.layers,
            memory=memory,
        )
        return Found(state, ruled.confidence)

    def _groups(self, state: State) -> Iterator[Group]:
        """Points by the frames of their queries."""
        for number in np.unique(state.born).tolist():
            rows = np.flatnonzero(state.born == number)
            given = self._queries[number]
            order = np.searchsorted(given.ids, state.ids[rows])
            yield Group(self._sources[number], rows, given.positions[order])


def _moved_together(before: State, now: State, entry: BufferedFrame) -> bool:
    """Whether enough of the points that were visible are so again, and enough of them moved alike:
    in a view of other things each is found by chance, somewhere.
    """
    again = (before.visible & now.visible).cpu().numpy()
    if again.sum() < max(FEWEST, FOUND * float(before.visible.sum())):
        return False
    near = NEAR * min(entry.frame.size)
    _, inside = cv2.estimateAffinePartial2D(
        before.positions[again], now.positions[again], ransacReprojThreshold=near
    )
    return inside is not None and inside.sum() >= max(FEWEST, ALIKE * again.sum())
