"""What becomes of each target: visible, occluded or lost, and where it must be."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from drift_ros.settings import TargetSettings
from drift_ros.structures import Frame, Roi, TargetState, TrackedObject
from drift_ros.tracking.motion import Motion, Vector, camera_shift, thumbnail

DEVIATION = 0.05  # of a measured centroid, in sizes of the target


@dataclass(frozen=True, slots=True)
class Sighting:
    """Where a target is whose centroid says nothing, for a target that looks the same touches or
    hides it.

    Attributes:
        place: (x, y) in px of its centroid, as if all of it were seen.
        deviation: of that, in sizes of the target.
    """

    place: Vector
    deviation: float


NOBODY: Mapping[int, Sighting | None] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Track:
    """One target after a frame.

    Attributes:
        motion: where it is, or must be.
        origin: (x, y) in px where it was in the frame before.
        seen: stamp in ns of the frame in which it was last visible.
        believed: likewise of the one in which its mask was last believed.
        extent: width and height in px of its box then.
        centre: (x, y) in px from its centroid to the middle of its box then.
        state: after that frame.
        score: of its mask in that frame, 0 without one.
        held: state before a cut, while it is lost for that alone; None otherwise.
    """

    motion: Motion
    origin: Vector
    seen: int
    believed: int
    extent: tuple[int, int]
    centre: tuple[float, float]
    state: TargetState
    score: float
    held: TargetState | None = None


@dataclass(frozen=True, slots=True)
class _Moment:
    number: int
    stamp: int
    picture: NDArray[np.float32]
    tracks: Mapping[int, Track]


class TargetStates:
    """Follows the motion of targets.

    What it knows is kept for as many frames as tracking may go back by, and no more.

    Args:
        settings: when a target counts as lost.
        history: number of frames.
    """

    def __init__(self, settings: TargetSettings, history: int) -> None:
        self._settings = settings
        self._moments: deque[_Moment] = deque(maxlen=history + 1)
        self._expected: tuple[int, NDArray[np.float32], Mapping[int, Track]] | None = None

    def update(self, settings: TargetSettings) -> None:
        """Take over changed settings."""
        self._settings = settings

    def reset(self) -> None:
        """Forget all targets."""
        self._moments.clear()
        self._expected = None

    def go_back_to(self, number: int) -> None:
        """Forget what was found from this frame number on."""
        self._expected = None
        while self._moments and self._moments[-1].number >= number:
            self._moments.pop()

    def observe(
        self,
        number: int,
        frame: Frame,
        objects: Sequence[TrackedObject],
        prompted: Collection[int] = (),
        doubtful: Collection[int] = (),
        partly: Mapping[int, Sighting | None] = NOBODY,
        mistaken: Collection[int] = (),
    ) -> tuple[TrackedObject, ...]:
        """Take in what was measured in the next frame.

        Args:
            number: of the frame, larger than that of the one before.
            frame: it.
            objects: every target; ids that are missing are forgotten.
            prompted: ids of those that were given in this frame, or found elsewhere than what was
                taken for them: their motion starts anew.
            doubtful: ids of those whose masks are not believed.
            partly: id -> where a target is of those whose centroids say nothing; None where that is
                not known.

        Returns:
            The objects with their states.
        """
        picture, expected = self._expectation(number, frame)
        tracks: dict[int, Track] = {}
        found = []
        settled = any(obj.visible for obj in objects)  # later frames go on from this one
        for obj in objects:
            before = expected.get(obj.id) if obj.id not in prompted else None
            if obj.visible:
                if before and obj.id in partly:
                    track = _partly_seen(obj, before, partly[obj.id], frame.stamp)
                else:
                    track = _seen(obj, before, frame.stamp)
                if before and obj.id in doubtful:
                    track = replace(track, believed=before.believed)
                tracks[obj.id] = track
            elif before:
                before = replace(before, held=None) if settled else before
                if obj.id in mistaken:
                    before = replace(before, state=TargetState.LOST)
                obj, tracks[obj.id] = self._unseen(obj, before, frame)
            found.append(obj)
        self._moments.append(_Moment(number, frame.stamp, picture, tracks))
        return tuple(found)

    def expect(self, number: int, frame: Frame, cut: bool = False) -> Mapping[int, Track]:
        """Id -> what is expected of each target in the next frame, before it is looked at.

        The motion is that until then, all else is as it was after the frame before; but after a cut
        a target counts as lost, and once the picture is there again that was before, as what it was
        there.

        Args:
            number: of the frame.
            frame: it.
            cut: whether it shows something else than the last frame in which a target was seen.
        """
        return self._expectation(number, frame, cut)[1]

    def _expectation(
        self, number: int, frame: Frame, cut: bool = False
    ) -> tuple[NDArray[np.float32], Mapping[int, Track]]:
        """The frame's thumbnail, and the tracks of the frame before with the motion since."""
        if self._expected and self._expected[0] == number:
            return self._expected[1:]
        picture = thumbnail(frame.image)
        tracks: dict[int, Track] = {}
        if self._moments:
            last = self._moments[-1]
            seconds = max(0.0, (frame.stamp - last.stamp) / 1e9)
            camera = camera_shift(last.picture, picture, frame.size)
            for id_, track in last.tracks.items():
                place = track.motion.place
                elsewhere = cut or track.held is not None
                motion = track.motion.after(seconds, np.zeros(2) if elsewhere else camera)
                track = replace(track, motion=motion, origin=place)
                if track.held is not None:
                    track = replace(track, state=track.held, held=None)
                if cut:
                    track = replace(track, state=TargetState.LOST, held=track.state)
                tracks[id_] = track
        self._expected = (number, picture, tracks)
        return picture, tracks

    def _unseen(
        self, obj: TrackedObject, expected: Track, frame: Frame
    ) -> tuple[TrackedObject, Track]:
        """A target without a mask: occluded while its place is known well enough and lies in the
        image.
        """
        motion = expected.motion
        known = motion.deviation <= self._settings.max_deviation * motion.size
        height, width = frame.size
        x, y = motion.place
        inside = -0.5 <= x <= width - 0.5 and -0.5 <= y <= height - 0.5
        lost = expected.state == TargetState.LOST or not known or not inside
        state = TargetState.LOST if lost else TargetState.OCCLUDED
        track = replace(expected, state=state, score=0.0)
        obj = replace(obj, state=track.state, unseen=max(0.0, (frame.stamp - track.seen) / 1e9))
        if not lost:
            obj = replace(
                obj,
                predicted_roi=_clipped(track, motion.place, frame.size),
                predicted_centroid=(float(x), float(y)),
            )
        return obj, track


def _partly_seen(
    obj: TrackedObject, expected: Track, sighting: Sighting | None, stamp: int
) -> Track:
    """A target that keeps its size."""
    motion = expected.motion
    if sighting is not None:
        x, y = sighting.place
        motion = motion.corrected((x, y), motion.size, sighting.deviation * motion.size)
    return replace(
        expected,
        motion=motion,
        seen=stamp,
        believed=stamp,
        state=TargetState.VISIBLE,
        score=obj.score,
    )


def _seen(obj: TrackedObject, expected: Track | None, stamp: int) -> Track:
    size = float(np.sqrt(obj.area))
    if expected is None or expected.held is not None:
        motion = Motion.start(obj.centroid, size, DEVIATION * size)
    else:
        motion = expected.motion.corrected(obj.centroid, size, DEVIATION * size)
    roi = obj.roi
    middle = (roi.x + (roi.width - 1) / 2, roi.y + (roi.height - 1) / 2)
    centre = (middle[0] - obj.centroid[0], middle[1] - obj.centroid[1])
    extent = (roi.width, roi.height)
    return Track(motion, motion.place, stamp, stamp, extent, centre, TargetState.VISIBLE, obj.score)


def _clipped(track: Track, place: Vector, size: tuple[int, int]) -> Roi:
    """The last box at another place, as far as it lies in an image of a size (H, W)."""
    ends = []
    for axis, limit in ((0, size[1]), (1, size[0])):
        begin = round(place[axis] + track.centre[axis] - (track.extent[axis] - 1) / 2)
        ends.append((max(0, begin), min(limit, begin + track.extent[axis])))
    (left, right), (top, bottom) = ends
    if left >= right or top >= bottom:
        return Roi()
    return Roi(left, top, right - left, bottom - top)
