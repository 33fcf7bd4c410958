"""Scenes as files: a ROS 2 bag, or a folder laid out as DAVIS is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from drift_ros.errors import OutputError
from drift_ros.io import messages
from drift_ros.io.bag_writer import BagWriter
from drift_ros.structures import Frame, TargetState, TrackedObject, TrackingResult
from drift_ros.synthetic.ground_truth import ObjectTruth, SyntheticFrame, Video
from drift_ros.visualization.palette import PALETTE

FRAME_ID = 'camera_optical'
IMAGE, CAMERA_INFO, DEPTH = '/camera/image', '/camera/camera_info', '/camera/depth'
TRUTH_LABELS, TRUTH_TRACKS = '/truth/labels', '/truth/tracks'
DEPTH_ENCODINGS = ('16UC1', '32FC1')
JPEG_QUALITY = 95

OnFrame = Callable[[SyntheticFrame], None]


def write_bag(
    scene: Video, path: Path, depth: str = '16UC1', on_frame: OnFrame = lambda frame: None
) -> None:
    """Write images, camera_info, aligned depth, and the truth as the tracker would publish it.

    Args:
        path: folder of the bag; it must not exist.
        depth: `16UC1` (millimetres; 0 where it is beyond 65.5 m) or `32FC1` (metres).
        on_frame: called with every frame once it is written.

    Raises:
        OutputError: the bag cannot be written.
    """
    camera = scene.camera
    cx, cy = camera.centre
    with BagWriter(path) as bag:
        for frame in scene:
            stamp = frame.stamp
            info = messages.camera_info(
                camera.focal, camera.focal, cx, cy, camera.width, camera.height, stamp, FRAME_ID
            )
            distance = _depth(frame.depth, depth)
            result = truth(frame)
            for topic, kind, message in (
                (CAMERA_INFO, messages.CAMERA_INFO, info),
                (DEPTH, messages.IMAGE, messages.image(distance, depth, stamp, FRAME_ID)),
                (IMAGE, messages.IMAGE, messages.image(frame.image, 'rgb8', stamp, FRAME_ID)),
                (TRUTH_LABELS, messages.IMAGE, messages.labels(result)),
                (TRUTH_TRACKS, messages.TRACKS, messages.tracks(result, _positions(frame))),
            ):
                bag.write(topic, kind, message, stamp)
            on_frame(frame)


def write_davis(
    scenes: Video | Sequence[Video], path: Path, on_frame: OnFrame = lambda frame: None
) -> None:
    """Write JPEGImages/480p, Annotations/480p (indexed PNG) and ImageSets of one or more videos.

    Args:
        scenes: what to render; names must differ.
        path: folder; it must not exist or be empty.
        on_frame: called with every frame once it is written.

    Raises:
        OutputError: the folder exists and is not empty, or cannot be written.
    """
    if path.exists() and any(path.iterdir()):
        raise OutputError(f'{path} is not empty; name another folder, or remove it first')
    sets = path / 'ImageSets' / '2017'
    try:
        sets.mkdir(parents=True)
        names = []
        for scene in scenes if isinstance(scenes, Sequence) else [scenes]:
            _write_sequence(scene, path, on_frame)
            names.append(scene.name)
        (sets / 'val.txt').write_text(''.join(f'{name}\n' for name in names), encoding='utf-8')
    except OSError as error:
        raise OutputError(f'cannot write to {path}: {error}') from None


def _write_sequence(scene: Video, path: Path, on_frame: OnFrame) -> None:
    images = path / 'JPEGImages' / '480p' / scene.name
    annotations = path / 'Annotations' / '480p' / scene.name
    images.mkdir(parents=True)
    annotations.mkdir(parents=True)
    for frame in scene:
        name = f'{frame.index:05d}'
        picture = Image.fromarray(frame.image)
        picture.save(images / f'{name}.jpg', quality=JPEG_QUALITY, subsampling=0)
        labels = Image.fromarray(frame.labels)
        labels.putpalette(PALETTE.tobytes())
        labels.save(annotations / f'{name}.png')
        on_frame(frame)


def truth(frame: SyntheticFrame) -> TrackingResult:
    """What a perfect tracker would say about a frame."""
    return TrackingResult(
        Frame(frame.image, frame.stamp, FRAME_ID, frame.index),
        frame.labels,
        tuple(_object(obj) for obj in frame.objects),
        generation=1,
    )


def _object(obj: ObjectTruth) -> TrackedObject:
    seen = obj.area > 0
    state = TargetState.VISIBLE if seen else TargetState.LOST
    return TrackedObject(
        obj.id, obj.name, float(seen), seen, obj.roi, obj.centroid, obj.area, state
    )


def _positions(frame: SyntheticFrame) -> dict[int, tuple[float, float, float]]:
    seen = (obj for obj in frame.objects if obj.area)
    return {obj.id: tuple(obj.position.tolist()) for obj in seen}


def _depth(metres: NDArray[np.float32], encoding: str) -> NDArray[Any]:
    if encoding == '32FC1':
        return metres
    millimetres = np.rint(metres * np.float32(1000))
    return np.where(millimetres <= 65535, millimetres, 0).astype(np.uint16)
