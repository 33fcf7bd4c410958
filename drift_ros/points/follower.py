"""Points through the described frames of a stream."""

from __future__ import annotations

import math
import random
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drift_ros.descriptors import Descriptors
from drift_ros.errors import PromptError
from drift_ros.interruption import checkpoint
from drift_ros.points.carrying import OFF, Carried, carry
from drift_ros.points.grid import Grid
from drift_ros.points.judging import Judge, Memory, Seen, cosines_around
from drift_ros.points.layers import NONE
from drift_ros.points.matching import FrameMaps, Matcher, soft_peak
from drift_ros.points.motion import Field, Motion
from drift_ros.points.registration import Image, flatten, register
from drift_ros.points.states import Found, Queries, Ruled, Source, State
from drift_ros.settings import PointSettings
from drift_ros.structures import TrackedPoints
from drift_ros.tracking.window_buffer import BufferedFrame

Floats = NDArray[np.float32]

NEAR, FAR = 6.0, 24.0  # px that registration moves a point by that the flow, or its look, led to
RETURN = 0.7  # px from its start beyond which a patch that is sought there and back is another one
WEIGHTS = 2**22  # that are held at a time
BEST = 2  # cells around the best one of which its place is the mean

_EMPTY = (
    np.zeros(0, np.int64),
    np.zeros((0, 2), np.float32),
    np.zeros(0, bool),
    np.zeros(0, np.float32),
)


class PointFollower:
    """Follows points from frame to frame.

    Results depend on the frames, the queries and the settings only. Memory is bounded: what was
    known after each of the last `history` frames, and the descriptors and images of the frames of
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
        self.count = 0
        self._queries: dict[int, Queries] = {}  # by the number of their frame
        self._sources: dict[int, Source] = {}  # likewise
        self._states: dict[int, State] = {}  # by the number of the frame after which they hold

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
        self._states = {
            number: state[~np.isin(state.ids, gone)] for number, state in self._states.items()
        }

    def go_back_to(self, number: int) -> None:
        """Forget what was found from this frame number on; queries stay."""
        self._states = {n: state for n, state in self._states.items() if n < number}
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
        if self._states:
            found.append(self._find(self._states[max(self._states)], entry, frame, grid, seen))
        if number in self._queries:
            found.append(self._begin(self._queries[number], entry, frame, grid, seen))
        if not found:
            return TrackedPoints(*_EMPTY, self.generation)
        state = self._states[number] = State.concatenate([each.state for each in found])
        for old in [n for n in self._states if n < number - self._history]:
            del self._states[old]
        confidence = torch.cat([each.confidence for each in found]).cpu().numpy()
        order = np.argsort(state.ids)
        visible = state.visible.cpu().numpy()
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

    def _begin(
        self,
        queries: Queries,
        entry: BufferedFrame,
        frame: FrameMaps,
        grid: Grid,
        seen: Seen | None,
    ) -> Found:
        """Points on the frame of their query."""
        self._sources[entry.number] = Source(frame, flatten(entry.frame.image))
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
            entry.frame.image,
            visible,
            frame.sample(places),
            np.full(count, NONE),
            queries.positions,
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
        settings, device = self._settings, state.places.device
        field = None
        if self._motion is not None:
            field = self._motion.between(state.image, entry.frame.image)
        to = carry(state, field, settings, frame, grid)
        ruled = self._rule(state, to, entry, frame, grid)
        memory = state.memory
        if seen is not None and memory is not None:
            ruled, memory = self._decide(state, to, field, ruled, frame, grid, seen)
        # motion goes on for points that left the image; no farther than one image beyond it
        size = np.array(grid.size[::-1], np.float32)
        positions = ruled.positions.clip(-size, 2 * size)
        confidence = ruled.confidence
        places = grid.to_cells(torch.from_numpy(positions).to(device))
        visible = confidence >= 0.5
        vectors = state.vectors
        if settings.refresh:
            vectors = vectors.mixed(frame.sample(places), settings.refresh * visible.float())
        carried = (to.layer != NONE) & ~ruled.exact
        state = replace(
            state,
            places=places,
            positions=positions,
            image=entry.frame.image,
            visible=visible,
            vectors=vectors,
            layer=to.layer,
            carried=np.where(carried[:, None], to.places, positions).clip(-size, 2 * size),
            layers=to.layers,
            memory=memory,
        )
        return Found(state, confidence)

    def _rule(
        self, state: State, to: Carried, entry: BufferedFrame, frame: FrameMaps, grid: Grid
    ) -> Ruled:
        """Where the rules have the points; those that do not join their layer leave it."""
        settings, device = self._settings, state.places.device
        on_layer = to.layer != NONE
        known = on_layer | state.visible.cpu().numpy()
        height, width = grid.size
        left = ((to.places < -0.5) | (to.places >= [width - 0.5, height - 0.5])).any(1) & known
        trusted = on_layer | (to.doubt <= 1)
        places, stays = self._compare(state, to.places, trusted, known, frame, grid)
        kept = stays.cpu().numpy() | left
        positions = np.where(kept[:, None], to.places, grid.to_pixels(places).cpu().numpy())
        doubt = to.doubt.copy()
        if settings.visibility == 'cycle':
            self._return(state, ~kept, positions, doubt, frame, grid)
        registered = np.zeros(len(kept), bool)
        if settings.registration:
            reach = np.where(kept, NEAR, FAR)
            registered = self._register(state, ~left, reach, positions, doubt, entry.frame.image)
        hidden = on_layer & ~kept & ~registered
        refused = hidden & (state.layer == NONE)  # a point does not join where it looks otherwise
        to.layer[refused] = NONE
        hidden &= ~refused
        positions[hidden], doubt[hidden] = to.places[hidden], np.inf
        places = grid.to_cells(torch.from_numpy(positions).to(device))
        confidence = torch.ones(len(places), device=device)
        if settings.visibility == 'cycle':
            confidence = torch.exp2(-(torch.from_numpy(doubt).to(device) ** 2))
            if (cosine := frame.similarity(state.vectors, places)) is not None:
                rise = (cosine - settings.similarity) / (1 - settings.similarity)
                confidence = confidence.minimum((0.5 + 0.5 * rise).clamp(0, 1))
        confidence[torch.from_numpy(left).to(device)] = 0
        return Ruled(positions, confidence, kept, registered, doubt)

    def _decide(
        self,
        state: State,
        to: Carried,
        field: Field | None,
        ruled: Ruled,
        frame: FrameMaps,
        grid: Grid,
        seen: Seen,
    ) -> tuple[Ruled, Memory]:
        """Where the network has them; those that are off their layer leave it."""
        assert self.judge is not None
        assert state.memory is not None
        device = state.places.device
        flowing, texture = state.positions, np.zeros(len(state.ids), np.float32)
        if field is not None:
            flowing, texture = field.move(state.positions)[0], field.texture(to.places)
        known = np.stack(
            [
                to.layer != NONE,
                np.log10(np.maximum(texture, 1e-7)) / 4 + 1,
                ruled.confidence.cpu().numpy(),
                ruled.kept,
                ruled.exact,
                np.minimum(ruled.doubt, 4) / 4,
            ],
            1,
        )
        given = [ruled.positions, to.places, flowing, state.positions, known]
        each = [torch.from_numpy(np.asarray(x, np.float32)).to(device) for x in given]
        parts = []
        step = max(1, WEIGHTS // math.prod(frame.shape))
        for start in range(0, len(state.ids), step):
            rows = slice(start, start + step)
            memory = state.memory[rows]
            at, moved, flow, before, facts = (x[rows] for x in each)
            found = frame.cosines(state.vectors[rows])
            best = grid.to_pixels(soft_peak(found / self._settings.temperature, BEST))
            speed = 2 * before - memory.before
            parts.append(
                self.judge.judge(
                    memory,
                    seen,
                    before,
                    torch.stack([at, moved, flow, speed, best], 1),
                    lambda p, found=found: cosines_around(found, grid.to_cells(p)),  # type: ignore[misc]
                    facts,
                )
            )
        where = torch.cat([positions for positions, _ in parts])
        memory = Memory.concatenate([memory for _, memory in parts])
        inside = ((where >= -0.5) & (where < seen.size - 0.5)).all(1)
        confidence = memory.confidence * inside
        exact = (memory.sure & (confidence >= 0.5)).cpu().numpy()
        positions = where.cpu().numpy()
        to.layer[exact & (np.linalg.norm(positions - to.places, axis=1) > OFF)] = NONE
        return Ruled(positions, confidence, ruled.kept, exact, ruled.doubt), memory

    def _groups(self, state: State) -> Iterator[tuple[Source, NDArray[np.int64], Floats]]:
        """Frames of queries, the rows of their points, and where these were asked for, in px."""
        for number in np.unique(state.born).tolist():
            rows = np.flatnonzero(state.born == number)
            given = self._queries[number]
            order = np.searchsorted(given.ids, state.ids[rows])
            yield self._sources[number], rows, given.positions[order]

    def _compare(
        self,
        state: State,
        flowing: Floats,
        trusted: NDArray[np.bool_],
        known: NDArray[np.bool_],
        frame: FrameMaps,
        grid: Grid,
    ) -> tuple[Tensor, Tensor]:
        """Places (N, 2) in cells: those to which trusted flow leads where descriptors agree, else
        those that they find; and (N,) bool, which are of the flow.
        """
        device = state.places.device
        moved = grid.to_cells(torch.from_numpy(flowing).to(device))
        around = None
        if self._settings.search:
            around = torch.where(torch.from_numpy(known).to(device)[:, None], moved, torch.nan)
        stay = torch.where(torch.from_numpy(trusted).to(device)[:, None], moved, torch.nan)
        places, stays = torch.empty_like(moved), torch.zeros_like(state.visible)
        for source, chosen, asked in self._groups(state):
            rows = torch.from_numpy(chosen).to(device)
            if self._settings.readout == 'field':
                start = grid.to_cells(torch.from_numpy(asked).to(device))
                places[rows] = self._matcher.field(start, frame, source.maps)
            else:
                places[rows], stays[rows] = self._matcher.stay_or_find(
                    state.vectors[rows],
                    frame,
                    stay[rows],
                    self._settings.agreement,
                    source=source.maps,
                    around=None if around is None else around[rows],
                )
        return places, stays

    def _return(
        self,
        state: State,
        chosen: NDArray[np.bool_],
        positions: Floats,
        doubt: Floats,
        frame: FrameMaps,
        grid: Grid,
    ) -> None:
        """Write into `doubt` how far from their queries some points lead back by descriptors."""
        for source, group, asked in self._groups(state):
            rows = chosen[group]
            if rows.any():
                places, start = (
                    grid.to_cells(torch.from_numpy(each[rows]).to(state.places.device))
                    for each in (positions[group], asked)
                )
                back = self._matcher.find(frame.sample(places), source.maps, source=frame)
                distance = (back - start).norm(dim=1) / self._settings.tolerance
                doubt[group[rows]] = distance.cpu().numpy()

    def _register(
        self,
        state: State,
        chosen: NDArray[np.bool_],
        reach: Floats,
        positions: Floats,
        doubt: Floats,
        image: Image,
    ) -> NDArray[np.bool_]:
        """Bring some points to where the image around their query is found within reach (N,) px;
        (N,) bool, which ones.
        """
        now = flatten(image)
        registered = np.zeros(len(positions), bool)
        for source, group, asked in self._groups(state):
            rows = group[chosen[group]]
            found, back = register(
                source.image, now, asked[chosen[group]], positions[rows], reach[rows]
            )
            good = back <= RETURN
            positions[rows[good]] = found[good]
            doubt[rows[good]] = back[good] / RETURN
            registered[rows[good]] = True
        return registered
