"""The pickles of TAP-Vid: DAVIS, Kinetics in shards, RGB-Stacking.

A pickle can hold any code. These are read by an unpickler that knows numpy's arrays and nothing
else, so a file from elsewhere can at worst be refused.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from drift_ros.errors import SourceError, shown
from drift_ros.evaluation.points.clips import PointClip
from drift_ros.evaluation.points.metrics import SIDE
from drift_ros.pictures import PictureError, check_size

SUFFIXES = ('.pkl', '.pickle')
# What numpy's arrays are made of, by the names of numpy 1 and 2.
ALLOWED = {
    (module, name)
    for package in ('numpy.core', 'numpy._core')
    for module, name in (
        (f'{package}.multiarray', '_reconstruct'),
        (f'{package}.multiarray', 'scalar'),
        (f'{package}.numeric', '_frombuffer'),
    )
} | {('numpy', 'ndarray'), ('numpy', 'dtype'), ('_codecs', 'encode')}


class ArrayUnpickler(pickle.Unpickler):
    """Reads plain Python values and numpy arrays without objects in them."""

    def find_class(self, module: str, name: str) -> Any:
        """A name that the file calls."""
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(
                f'it calls {shown(f"{module}.{name}")}, which arrays do not need'
            )
        return super().find_class(module, name)


def read_pickle(path: Path) -> Any:
    """Content of a pickle of arrays.

    Raises:
        SourceError: it cannot be read, is damaged, or holds something else.
    """
    try:
        with path.open('rb') as file:
            return ArrayUnpickler(file).load()
    except OSError as error:
        raise SourceError(f'cannot read {path}: {error}') from None
    except MemoryError:
        raise SourceError(f'{path} holds more than there is memory for') from None
    except Exception as error:  # damaged pickles raise whatever they like
        raise SourceError(
            f'{path} is no file of TAP-Vid, or is damaged (numpy arrays were expected): {error}'
        ) from None


def files(path: Path) -> list[Path]:
    """The pickle at a path, or those in the folder there, sorted.

    Raises:
        SourceError: there is none.
    """
    if path.is_file():
        return [path]
    found = sorted(f for f in path.iterdir() if f.suffix in SUFFIXES) if path.is_dir() else []
    if not found:
        raise SourceError(
            f'{path} is no pickle of TAP-Vid and no folder with some (*{" or *".join(SUFFIXES)}): '
            'get tapvid_davis.pkl, or the shards of Kinetics, and name it'
        )
    return found


def clips(path: Path, limit: int | None = None, side: int = SIDE) -> Iterator[PointClip]:
    """The videos of a pickle, or of all those in a folder, one shard in memory at a time.

    Args:
        path: file or folder.
        limit: only this many frames of each; None: all.
        side: videos are brought to a square of this many px, as the benchmark has it (256); 0
            leaves them as they are.

    Raises:
        SourceError: a file cannot be read, or is laid out in another way.
    """
    for file in files(path):
        content = read_pickle(file)
        try:
            pairs = list(content.items() if isinstance(content, Mapping) else enumerate(content))
        except TypeError:
            raise SourceError(f'{file} holds {shown(content)}, expected videos') from None
        del content
        for key, entry in pairs:
            name = str(key) if isinstance(key, str) else f'{file.stem}-{key:04d}'
            yield _clip(name, entry, limit, side)


def _clip(name: str, entry: Any, limit: int | None, side: int) -> PointClip:
    if not isinstance(entry, Mapping) or not {'points', 'occluded', 'video'} <= set(entry):
        raise SourceError(f'{name}: expected video, points and occluded, got {shown(entry)}')
    video = entry['video']
    frames = [_frame(name, frame, side) for frame in video[:limit]]
    if not frames or any(frame.shape != frames[0].shape for frame in frames):
        raise SourceError(f'{name}: expected frames of one size')
    try:
        tracks = np.asarray(entry['points'], np.float32)[:, :limit]
        occluded = np.asarray(entry['occluded'], bool)[:, :limit]
    except (TypeError, ValueError, IndexError) as error:
        raise SourceError(f'{name}: points or occluded are no arrays: {error}') from None
    return PointClip(name, np.stack(frames), tracks, occluded)


def _frame(name: str, frame: Any, side: int) -> NDArray[np.uint8]:
    """(H, W, 3) of an array, or of the bytes of a JPEG, as Kinetics has them."""
    if isinstance(frame, bytes):
        try:
            check_size(frame)
        except PictureError as error:
            raise SourceError(f'{name}: a frame cannot be used: {error}') from None
        decoded = cv2.imdecode(np.frombuffer(frame, np.uint8), cv2.IMREAD_COLOR)
        if decoded is None:
            raise SourceError(f'{name}: a frame is no picture')
        frame = cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)
    if not (isinstance(frame, np.ndarray) and frame.ndim == 3 and frame.dtype == np.uint8):
        raise SourceError(f'{name}: expected frames (H, W, 3) uint8, got {shown(frame)}')
    if side and frame.shape[:2] != (side, side):
        frame = cv2.resize(frame, (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(frame, np.uint8)
