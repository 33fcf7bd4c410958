"""What goes into the tracker and comes out of it. Needs numpy only, so whoever handles results does
not pay for torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from drift_ros.errors import FrameError


@dataclass(frozen=True, slots=True)
class Frame:
    """One image of a stream.

    Attributes:
        image: (H, W, 3) uint8, RGB. The tracker keeps a reference and never writes to it.
        stamp: acquisition time in nanoseconds; it names the frame.
        frame_id: coordinate frame of the camera (its optical frame).
        index: number of the frame in its source, counted from 0; a jump means that frames were
            lost.
        encoding: the encoding that the image had before it became RGB.
    """

    image: NDArray[np.uint8]
    stamp: int
    frame_id: str = ''
    index: int = 0
    encoding: str = 'rgb8'

    def __post_init__(self) -> None:
        image = self.image
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise FrameError(
                f'a frame needs an image of shape (H, W, 3) and dtype uint8, got {image.shape} '
                f'{image.dtype}; convert it to RGB first'
            )
        if 0 in image.shape:
            raise FrameError(f'a frame needs a positive size, got {image.shape}')

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) in px."""
        height, width = self.image.shape[:2]
        return height, width


@dataclass(frozen=True, slots=True)
class Roi:
    """An axis-aligned box in px: top left pixel, width and height. All zero: empty."""

    x: int = 0
    y: int = 0
    width: int = 0
    height: int = 0

    @property
    def slices(self) -> tuple[slice, slice]:
        """Row and column slices that cut the box out of an image."""
        return slice(self.y, self.y + self.height), slice(self.x, self.x + self.width)


NOWHERE = (float('nan'), float('nan'))
Position: TypeAlias = tuple[float, float, float]
"""(x, y, z) in m, or (x, y, z) in m/s, along the axes of a camera's optical frame."""


class TargetState(IntEnum):
    """What is known about where a target is; the values are those of TrackedObject.msg.

    Attributes:
        VISIBLE: it has a mask.
        OCCLUDED: it has none, but where it must be is known: something is in front of it.
        LOST: it has none, and may be anywhere.
    """

    VISIBLE = 0
    OCCLUDED = 1
    LOST = 2


@dataclass(frozen=True, slots=True)
class TrackedObject:
    """One target in one frame.

    Attributes:
        id: 1..254, immutable for the life of the target.
        name: the name given with the prompt.
        score: how sure the mask is, in [0, 1]; 1 on a prompted frame, 0 if not visible. Of the
            extractors `embedded` and `embedded-image` it is calibrated: the probability that the
            mask overlaps the target by more than half (intersection over union). Of others it is no
            probability and only ranks masks.
        visible: whether the target has a mask in this frame.
        roi: tight box of the mask, empty if not visible.
        centroid: mean (x, y) of the mask's pixels in px, origin at the centre of the top left
            pixel; NaN if not visible.
        area: number of pixels of the mask.
        state: visible, occluded or lost.
        unseen: seconds since it was last visible; 0 while it is.
        predicted_roi: where an occluded target is expected, clipped to the image; else empty.
        predicted_centroid: (x, y) in px likewise; else NaN.
    """

    id: int
    name: str
    score: float
    visible: bool
    roi: Roi
    centroid: tuple[float, float]
    area: int
    state: TargetState = TargetState.VISIBLE
    unseen: float = 0.0
    predicted_roi: Roi = Roi()
    predicted_centroid: tuple[float, float] = NOWHERE


@dataclass(frozen=True, slots=True)
class TargetMotion:
    """How a target moves in space, in the optical frame of its camera; a camera that moves shows in
    it. Deviations are standard deviations along each axis.

    Attributes:
        velocity: in m/s; None if it is not known.
        velocity_deviation: in m/s; None likewise.
        predicted_position: in m, where an occluded target is expected; None for all others.
        predicted_deviation: in m; None likewise.
    """

    velocity: Position | None = None
    velocity_deviation: Position | None = None
    predicted_position: Position | None = None
    predicted_deviation: Position | None = None


@dataclass(frozen=True, slots=True, eq=False)
class TrackedPoints:
    """All points that are followed, in one frame.

    Attributes:
        ids: (N,) int64, rising; a point keeps its id as long as it is followed.
        positions: (N, 2) float32 (x, y) in px, origin at the centre of the top left pixel; of a
            point that is not visible the likeliest place.
        visible: (N,) bool.
        confidence: (N,) float32 in [0, 1]; from 0.5 on a point is visible.
        generation: another one whenever all points are given anew.
    """

    ids: NDArray[np.int64]
    positions: NDArray[np.float32]
    visible: NDArray[np.bool_]
    confidence: NDArray[np.float32]
    generation: int

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class TrackingResult:
    """What the tracker knows about one frame.

    Attributes:
        frame: the frame that this belongs to; its stamp and frame_id are those of the result.
        labels: (H, W) uint8, value = id of the target, 0 = background. Read-only, for the tracker
            goes on from it: copy it to change it.
        objects: every target of the generation, also the ones that are not visible, ordered by id.
        generation: increases with every reset; results of one generation have increasing stamps.
        gap: number of frames known to be lost between the previous result of the stream and this
            one; those whose window failed are among them.
        prompted: whether this frame carried a prompt (its labels are then given, not propagated).
        points: where points are that are followed beside the targets; None if there are none.
    """

    frame: Frame
    labels: NDArray[np.uint8]
    objects: tuple[TrackedObject, ...]
    generation: int
    gap: int = 0
    prompted: bool = False
    points: TrackedPoints | None = None

    def mask(self, obj: TrackedObject) -> NDArray[np.bool_]:
        """The mask of one object, cropped to its roi: (roi.height, roi.width) bool."""
        mask: NDArray[np.bool_] = self.labels[obj.roi.slices] == obj.id
        return mask


@dataclass(frozen=True, slots=True, eq=False)
class FailedFrames:
    """Frames without a result, because describing or labelling them failed.

    They count as a gap of the next result. Targets that were prompted on them are removed.

    Attributes:
        frames: ordered by stamp; empty if a window failed whose frames had their results before.
        error: what the extractor or the device raised.
    """

    frames: tuple[Frame, ...]
    error: Exception


TrackerOutput: TypeAlias = TrackingResult | FailedFrames


@dataclass(frozen=True, slots=True)
class Preview:
    """What the tracker understood from prompts.

    Attributes:
        frame: the prompted frame.
        labels: (H, W) uint8, value = id, 0 = background.
        ids: the ids that the prompts got, in their order.
        generation: the generation that the targets belong to.
    """

    frame: Frame
    labels: NDArray[np.uint8]
    ids: tuple[int, ...]
    generation: int


@dataclass(slots=True)
class Stats:
    """Counters since the tracker was made.

    Attributes:
        frames: frames that entered the stream.
        late: frames skipped because their stamp was not newer than the last one.
        lost: frames known to be lost before they reached the tracker.
        failed: frames without a result because their window failed.
        results: results released.
        windows: windows that went through the extractor.
        restarts: times that the stream started anew.
        last_restart: why it did so last, empty if never.
    """

    frames: int = 0
    late: int = 0
    lost: int = 0
    failed: int = 0
    results: int = 0
    windows: int = 0
    restarts: int = 0
    last_restart: str = ''
