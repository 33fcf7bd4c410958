"""One video with known joints through a tracker: points, scores, pictures, time and memory."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drift_ros.errors import SettingsError, SourceError
from drift_ros.evaluation.methods import MethodSpec, Ours
from drift_ros.evaluation.methods.ours import TrackerMethod
from drift_ros.evaluation.metrics.pck import distances
from drift_ros.evaluation.poses import Joints, PoseSequence, PoseTracker
from drift_ros.evaluation.poses.pose_drawing import draw_pose
from drift_ros.evaluation.protocols import Method
from drift_ros.evaluation.running.memory import peak_device_memory, peak_memory, restart_peaks
from drift_ros.evaluation.running.overlay_video import OverlayVideo
from drift_ros.evaluation.running.sequence import OnFrame, make_empty, nothing
from drift_ros.evaluation.scores import PoseScore
from drift_ros.runs.atomic import write_csv

TABLE = 'joints.csv'


def check_method(sequences: Sequence[object], spec: MethodSpec) -> None:
    """Poses are propagated by features.

    Raises:
        SettingsError: there are poses to track, and the method has no features.
    """
    if not isinstance(spec, Ours) and any(isinstance(s, PoseSequence) for s in sequences):
        raise SettingsError(
            f'{spec.name} tracks masks, and this data set has poses: give an extractor of '
            '`drift extractors` by --features'
        )


def run_poses(
    sequence: PoseSequence,
    method: Method,
    folder: Path,
    pictures: bool = True,
    on_frame: OnFrame = nothing,
) -> PoseScore:
    """Track the joints of a video and score them.

    Args:
        folder: gets joints.csv, overlay.mp4 and sheet.png; emptied before.
        pictures: whether to draw the overlay and the contact sheet.
        on_frame: called with how many frames were put in, and how many there are.

    Raises:
        DriftError: the data cannot be used, or the folder cannot be written.
    """
    if not isinstance(method, TrackerMethod):
        raise SettingsError(f'{method.name} tracks masks, not poses')
    make_empty(folder)
    restart_peaks()
    extractor, settings = method.tracker.extractor, method.tracker.settings
    tracker = PoseTracker(extractor, settings, sequence.side, sequence.pose(0))
    size, seconds, found = (0, 0), 0.0, list[tuple[int, Joints]]()
    for index, stamp in enumerate(sequence.stamps):
        image = sequence.image(index)
        if index and image.shape[:2] != size:
            raise SourceError(
                f'the image of frame {sequence.frames[index]} is {image.shape[1]}x'
                f'{image.shape[0]} px, but the first one {size[1]}x{size[0]}: all must have '
                'one size'
            )
        size = (image.shape[0], image.shape[1])
        started = time.perf_counter()
        found += tracker.step(index, stamp, image)
        seconds += time.perf_counter() - started
        on_frame(index + 1, len(sequence.stamps))
    started = time.perf_counter()
    found += tracker.end()
    seconds += time.perf_counter() - started
    if pictures:
        with OverlayVideo(folder, sequence) as video:
            for index, joints in found:
                picture = draw_pose(sequence.image(index), joints, sequence.pose(index))
                video.draw(index, picture)
            video.finish()
    joints = np.stack([joints for _, joints in found])
    write_csv(folder / TABLE, _table(sequence, joints))
    rows = [distances(sequence.pose(index), joints[index]) for index in sequence.scored]
    return PoseScore(
        name=sequence.name,
        size=size,
        frames=len(found),
        joints=tuple(sequence.joints),
        scored=tuple(sequence.scored),
        distances=tuple(
            tuple(float(d) if np.isfinite(d) else None for d in away) for away, _ in rows
        ),
        scales=tuple(scale for _, scale in rows),
        seconds=seconds,
        memory=peak_memory(),
        device_memory=peak_device_memory(),
        skipped=tuple(sequence.skipped),
    )


def _table(sequence: PoseSequence, joints: NDArray[np.float64]) -> Iterator[Sequence[object]]:
    """A row per frame and joint: where it was found in px, empty if it was not."""
    yield 'frame', 'joint', 'x', 'y'
    for frame, points in zip(sequence.frames, joints, strict=True):
        for joint, (x, y) in zip(sequence.joints, points, strict=True):
            yield frame, joint, *((f'{x:.3f}', f'{y:.3f}') if x >= 0 else ('', ''))
