"""Frames, label maps and a calibration become a bag."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from drift_ros.errors import FrameError, OutputError, SettingsError, SourceError
from drift_ros.io import messages
from drift_ros.io.bag_writer import BagWriter
from drift_ros.io.calibration import Calibration, read_calibration
from drift_ros.io.frames import FolderSource, Source, open_source
from drift_ros.io.labels import to_ids
from drift_ros.pictures import PictureError, read_values
from drift_ros.structures import Frame

JPEG_QUALITY = 95


@dataclass(frozen=True, slots=True)
class Conversion:
    """What a conversion wrote.

    Attributes:
        skipped: frames that could not be read.
    """

    frames: int
    labels: int
    skipped: int


def convert(
    frames: str | Path,
    out: str | Path,
    *,
    labels: str | Path | None = None,
    camera_info: str | Path | None = None,
    fps: float | None = None,
    topic: str = '/camera/image',
    storage: Literal['mcap', 'sqlite3'] = 'mcap',
    compressed: bool = False,
    progress: Callable[[int, int | None], None] = lambda done, total: None,
) -> Conversion:
    """Write a bag from a folder of pictures or a video.

    For the topic /camera/image the label maps are on /camera/labels (8UC1, value = id) and the
    calibration on /camera/camera_info. All messages of a frame have the same stamp. Where it
    fails, no bag is left.

    Args:
        frames: folder of jpg or png, or video file.
        labels: folder of PNGs, indexed or 8 bit grey, named as the frames (00012.png for
            00012.jpg); frames of a video are named by their numbers. Frames without one have no
            label map in the bag.
        camera_info: YAML of camera_calibration.
        fps: frames per second; default 24, of a video its own.
        topic: absolute name, with at least one part.
        compressed: write CompressedImage on `topic`/compressed: the files as they are, frames of a
            video as JPEG.
        progress: called with the number of frames written, and of all if known.

    Raises:
        SourceError: the frames, a label map or the calibration are of no use.
        SettingsError: topic is no absolute name.
        OutputError: the bag exists or cannot be written.
    """
    base = topic.rpartition('/')[0]
    if not topic.startswith('/') or topic.endswith('/') or '//' in topic:
        raise SettingsError(f'topic is {topic!r}: expected an absolute name like /camera/image')
    if Path(out).exists():
        raise OutputError(f'{out} exists; name another place, or remove it first')
    calibration = read_calibration(camera_info) if camera_info else None
    with open_source(frames, fps=fps) as source:
        if source.kind == 'bag':
            raise SourceError(f'{frames} is a bag already: expected pictures or a video')
        maps = _label_files(Path(labels), source) if labels else {}
        done = labelled = 0
        with _new_bag(out, storage) as bag:
            for frame in source.frames():
                stamp, frame_id = frame.stamp, frame.frame_id
                if compressed:
                    image = _compressed(source, frame)
                    name = f'{topic}/compressed'
                    bag.write(name, messages.COMPRESSED_IMAGE, image, stamp)
                else:
                    image = messages.image(frame.image, 'rgb8', stamp, frame_id)
                    bag.write(topic, messages.IMAGE, image, stamp)
                if calibration:
                    _check_size(calibration, frame, camera_info)
                    info = calibration.message(stamp, frame_id)
                    bag.write(f'{base}/camera_info', messages.CAMERA_INFO, info, stamp)
                if frame.index in maps:
                    values = read_labels(maps[frame.index], frame.size)
                    label_map = messages.image(values, '8UC1', stamp, frame_id)
                    bag.write(f'{base}/labels', messages.IMAGE, label_map, stamp)
                    labelled += 1
                done += 1
                progress(done, source.count)
            if not done:
                raise SourceError(
                    f'none of the frames of {frames} can be read: {source.skipped[0]}'
                )
        return Conversion(done, labelled, source.skipped.total)


def read_labels(path: Path, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Label map from a PNG with a palette or 8 bit grey values.

    Args:
        size: (H, W) in px that it must have.

    Returns:
        (H, W) uint8, value = id; 1 where the file has only 0 and 255.

    Raises:
        SourceError: unreadable, of another kind or size, or with a value above 254.
    """
    try:
        values, mode, _ = read_values(path)
    except (OSError, PictureError) as error:
        raise SourceError(f'cannot read the label map {path}: {error}') from error
    if mode not in ('P', 'L', '1'):
        raise SourceError(
            f'{path} has the mode {mode}: expected a palette or 8 bit grey values, value = id'
        )
    if values.shape != size:
        raise SourceError(
            f'{path} has {values.shape[1]}x{values.shape[0]} px: expected {size[1]}x{size[0]} like '
            'its frame'
        )
    try:
        return to_ids(values)
    except FrameError as error:
        raise SourceError(f'{path} {error}') from None


@contextmanager
def _new_bag(out: str | Path, storage: Literal['mcap', 'sqlite3']) -> Iterator[BagWriter]:
    """A bag that is removed again if it was not completed."""
    with BagWriter(out, storage) as bag:
        try:
            yield bag
            bag.close()
        except BaseException:
            with suppress(OutputError):
                bag.close()
            shutil.rmtree(out)
            raise


def _label_files(folder: Path, source: Source) -> dict[int, Path]:
    """Label map of each frame that has one, by the frame's index."""
    if not folder.is_dir():
        raise SourceError(f'labels: there is no folder {folder}')
    files = {file.stem: file for file in sorted(folder.glob('*.png'))}
    if isinstance(source, FolderSource):
        found = {i: files[f.stem] for i, f in enumerate(source.files) if f.stem in files}
    else:
        found = {int(stem): file for stem, file in files.items() if stem.isdecimal()}
    if not found:
        raise SourceError(
            f'labels: none of the {len(files)} PNGs in {folder} is named like a frame of '
            f'{source.name}'
        )
    return found


def _check_size(calibration: Calibration, frame: Frame, path: str | Path | None) -> None:
    height, width = frame.size
    if (calibration.image_width, calibration.image_height) != (width, height):
        raise SourceError(
            f'{path} is for {calibration.image_width}x{calibration.image_height} px, frame '
            f'{frame.index} has {width}x{height}: calibrate at the size of the frames'
        )


def _compressed(source: Source, frame: Frame) -> Any:
    if isinstance(source, FolderSource):
        file = source.files[frame.index]
        form = 'png' if file.suffix.lower() == '.png' else 'jpeg'
        return messages.compressed_image(file.read_bytes(), form, frame.stamp, frame.frame_id)
    bgr = cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return messages.compressed_image(data.tobytes(), 'jpeg', frame.stamp, frame.frame_id)
