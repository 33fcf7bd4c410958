"""How targets move in space, from positions that are measured by depth: in metres, in the optical
frame of the camera.

No camera motion is taken out here: it is not known in metres. A camera that moves shows in all
velocities and predictions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import exp, hypot

import numpy as np
from numpy.typing import NDArray

from drift_ros.structures import (
    Position,
    TargetMotion,
    TargetState,
    TrackedObject,
    TrackingResult,
)
from drift_ros.tracking.constant_velocity import ConstantVelocity, Vector

SPEED = 0.5  # m/s: standard deviation of the velocity when nothing is known of it
OF_SIZE = 0.05  # standard deviation of a measured position, in sizes of the target
OF_DISTANCE = 0.002  # likewise, in distances from the camera: what depth cameras are good for
LASTING = 5.0  # factor of errors that stay the same from frame to frame
SMOOTHING = 0.3  # s over which the shape of a target is averaged
GATE = 16.27  # normalised innovation that one measurement in 1000 exceeds (3 degrees of freedom)
REFUSED, SECONDS = 3, 0.25  # measurements in a row and time from which on the motion starts anew
DOUBTFUL = 0.5  # times the best score of late: no motion starts anew at a mask of a lower score
LATE = 2.0  # s


@dataclass(frozen=True, slots=True)
class Measurement:
    """What depth says of a visible target.

    Attributes:
        position: median of its points in m.
        ends: (2, 2) lowest and highest x, and y, of its points in m.
        hidden: (2, 2) bool, whether it goes on beyond such an end: something nearer or the border
            of the image is there.
    """

    position: Position
    ends: Vector
    hidden: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Shape:
    """A target all of which was in sight.

    Attributes:
        extent: (2,) width and height in m.
        beside: (2,) from the middle of its ends to its position in m.
    """

    extent: Vector
    beside: Vector

    @classmethod
    def of(cls, here: Measurement) -> _Shape:
        return cls(
            here.ends[:, 1] - here.ends[:, 0], np.array(here.position[:2]) - here.ends.mean(1)
        )

    @property
    def size(self) -> float:
        return float(np.sqrt(np.prod(self.extent)))

    def mixed(self, other: _Shape, share: float) -> _Shape:
        """A mean of two, with such a share of the other one."""
        extent = self.extent + share * (other.extent - self.extent)
        return _Shape(extent, self.beside + share * (other.beside - self.beside))


@dataclass(frozen=True, slots=True)
class _Track:
    motion: ConstantVelocity
    shape: _Shape
    stamp: int  # ns, that the motion is for
    taken: int  # ns, of the last measurement that was taken
    score: float  # the best of late
    count: int = 1  # measurements that were taken
    refused: int = 0  # that were refused since the last one


class SpatialMotion:
    """Follows the targets of one camera by a Kalman filter of constant velocity each.

    A target that is hidden in part is where its ends that are in sight put all of it. What does not
    fit to how a target moved is left out: depth that shines through a mask, a mask that stays on
    what hides its target. When all that comes does not fit, the motion starts anew there, if masks
    are as sure as before.

    Args:
        acceleration: white noise that velocities change by, in m/s^1.5.
    """

    def __init__(self, acceleration: float) -> None:
        self.acceleration = acceleration
        self._tracks: dict[int, _Track] = {}
        self._generation = self._stamp = -1

    def observe(
        self, result: TrackingResult, measured: Mapping[int, Measurement]
    ) -> dict[int, TargetMotion]:
        """Take in the next frame.

        What was known is forgotten with a new generation, whose ids are other targets and whose
        first frame may be a past one, and of targets that are lost.

        Args:
            result: of the frame.
            measured: id -> what depth says of a visible target, as far as it says anything.

        Returns:
            Id -> motion of every target of which anything is known.
        """
        stamp = result.frame.stamp
        if result.generation != self._generation or stamp <= self._stamp:
            self._tracks = {}
        self._generation, self._stamp = result.generation, stamp
        tracks, found = {}, {}
        for obj in result.objects:
            track = self._tracks.get(obj.id)
            if track is not None:
                seconds = (stamp - track.stamp) / 1e9
                motion = track.motion.predicted(seconds, self.acceleration)
                score = max(obj.score, track.score * exp(-seconds / LATE))
                track = replace(track, motion=motion, stamp=stamp, score=score)
            if obj.visible and (here := measured.get(obj.id)):
                track = _taken_in(track, here, stamp, obj.score)
            if track is not None and obj.state != TargetState.LOST:
                tracks[obj.id] = track
                found[obj.id] = _motion(obj, track)
        self._tracks = tracks
        return found


def _taken_in(track: _Track | None, here: Measurement, stamp: int, score: float) -> _Track:
    """The motion with one more measurement, of a mask with a score."""
    shape = track.shape if track else _Shape.of(here)
    if track and not here.hidden.any():
        share = 1 - exp(-(stamp - track.taken) / 1e9 / SMOOTHING)
        shape = shape.mixed(_Shape.of(here), share)
    place, deviation = _whole(here, shape)
    if track is not None and track.motion.normalised_innovation(place, deviation) > GATE:
        refused = track.refused + (score >= DOUBTFUL * track.score)
        if refused < REFUSED or (stamp - track.taken) / 1e9 < SECONDS:
            return replace(track, refused=refused)
        track, shape = None, _Shape.of(here)
        place, deviation = _whole(here, shape)
    if track is None:
        covariance = np.zeros((3, 2, 2))
        covariance[:, 0, 0], covariance[:, 1, 1] = deviation**2, SPEED**2
        motion = ConstantVelocity(place, np.zeros(3), covariance)
        return _Track(motion, shape, stamp, stamp, score)
    motion = track.motion.updated(place, deviation)
    return _Track(motion, shape, stamp, stamp, track.score, track.count + 1)


def _whole(here: Measurement, shape: _Shape) -> tuple[Vector, Vector]:
    """(3,) where the position of a target would be if all of it were in sight, and (3,) standard
    deviation of that.
    """
    place = np.array(here.position)
    sensed = hypot(OF_SIZE * shape.size, OF_DISTANCE * place[2])
    missing = np.zeros(3)
    for axis, ((low, high), (below, above)) in enumerate(zip(here.ends, here.hidden, strict=True)):
        half = shape.extent[axis] / 2
        if below and above:
            missing[axis] = max(0.0, half - (high - low) / 2)
        elif below or above:
            place[axis] = (high - half if below else low + half) + shape.beside[axis]
        if below or above:  # of what is curved the edge is farther away than the middle
            missing[2] = max(missing[2], half - (high - low) / 2)
    return place, np.hypot(sensed, LASTING * missing)


def _motion(obj: TrackedObject, track: _Track) -> TargetMotion:
    motion, known = track.motion, track.count > 1
    expected = obj.state == TargetState.OCCLUDED and motion.place[2] > 0
    deviation, of_velocity = np.sqrt(np.diagonal(motion.covariance, 0, 1, 2)).T
    return TargetMotion(
        velocity=_triple(motion.velocity) if known else None,
        velocity_deviation=_triple(of_velocity) if known else None,
        predicted_position=_triple(motion.place) if expected else None,
        predicted_deviation=_triple(deviation) if expected else None,
    )


def _triple(vector: Vector) -> Position:
    x, y, z = vector.tolist()
    return x, y, z
