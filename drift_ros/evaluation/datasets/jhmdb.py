"""JHMDB: videos of people with 15 joints, whose pose is followed from the first frame on.

Jhuang et al., Towards Understanding Action Recognition, ICCV 2013, laid out as its authors give it:

    Rename_Images/<class>/<video>/00001.png ...
    joint_positions/<class>/<video>/joint_positions.mat
    splits/<class>_test_split1.txt
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from drift_ros.errors import SourceError
from drift_ros.evaluation.datasets.folders import digest_of, pictures, read_picture, subfolders
from drift_ros.evaluation.datasets.selection import Selection, read_list
from drift_ros.evaluation.poses import Joints, PoseSequence
from drift_ros.evaluation.scores import Refusal
from drift_ros.io.frames import stamp_of
from drift_ros.paths import below

FPS = 30.0
IMAGES, POSITIONS, SPLITS = 'Rename_Images', 'joint_positions', 'splits'
FILE, MATRIX = 'joint_positions.mat', 'pos_img'
SPLIT, TEST = '1', '2'  # the split that papers report, and the mark of its test videos
FEWEST = 2  # frames: the first one is given
JOINTS = (
    'neck', 'belly', 'face', 'right shoulder', 'left shoulder', 'right hip', 'left hip',
    'right elbow', 'left elbow', 'right knee', 'left knee', 'right wrist', 'left wrist',
    'right ankle', 'left ankle',
)  # fmt: skip


class JhmdbSequence(PoseSequence):
    """One video.

    Args:
        name: `class/video`.
        images: picture of every frame, in order.
        side: of the square in px that it is tracked in.
        limit: only this many frames; None: all that have joints.
    """

    def __init__(
        self,
        name: str,
        images: Sequence[Path],
        positions: Path,
        side: int,
        limit: int | None = None,
    ) -> None:
        self.name, self.side = name, side
        self._images, self._positions, self._limit = list(images), positions, limit

    @property
    def files(self) -> Sequence[Path]:
        """All that it reads."""
        return [*self._images, self._positions]

    @cached_property
    def digest(self) -> str:
        """Of names, sizes and times of change of all files."""
        return digest_of(self.files)

    @property
    def frames(self) -> Sequence[str]:
        """Names of the pictures without suffix, as far as joints are known."""
        return [file.stem for file in self._images[: self._count]]

    @property
    def stamps(self) -> Sequence[int]:
        """30 frames per second."""
        return [stamp_of(index, FPS) for index in range(self._count)]

    @property
    def joints(self) -> Sequence[str]:
        """The 15 of the data set."""
        return JOINTS

    @property
    def skipped(self) -> Sequence[str]:
        """Pictures behind the last one with joints."""
        more = len(self._images) - len(self._poses)
        return [f'the last {more} pictures have no joints'] if more > 0 else []

    def image(self, index: int) -> NDArray[np.uint8]:
        """Image (H, W, 3) uint8 RGB of a frame.

        Raises:
            SourceError: it cannot be read as a whole.
        """
        return read_picture(self._images[index])

    def pose(self, index: int) -> Joints:
        """True places (15, 2) of the joints in px, from 0.

        Raises:
            SourceError: the file cannot be read, or does not hold joints of this video.
        """
        return self._poses[index]

    @property
    def _count(self) -> int:
        return len(self._poses[: self._limit])

    @cached_property
    def _poses(self) -> NDArray[np.float64]:
        """(frames, 15, 2)."""
        place = self._positions
        matrix = read_matrix(place, MATRIX)
        if matrix.shape[:2] != (2, len(JOINTS)) or matrix.ndim > 3:
            raise SourceError(
                f'{place}: {MATRIX} is {"x".join(map(str, matrix.shape))}; expected '
                f'2x{len(JOINTS)}xframes, x and y of {len(JOINTS)} joints'
            )
        matrix = matrix.reshape(2, len(JOINTS), -1)
        if not np.isfinite(matrix).all():
            raise SourceError(f'{place}: {MATRIX} holds places that are not finite')
        if not FEWEST <= matrix.shape[2] <= len(self._images):
            raise SourceError(
                f'{place} has joints of {matrix.shape[2]} frames, and there are '
                f'{len(self._images)} pictures in {self._images[0].parent}: expected {FEWEST} or '
                'more frames with joints, and a picture of each'
            )
        return np.ascontiguousarray(matrix.transpose(2, 1, 0)) - 1  # Matlab counts from 1


def open_jhmdb(path: Path, selection: Selection) -> list[JhmdbSequence | Refusal]:
    """The chosen videos, by `class/video`.

    Without a choice they are the test videos of split 1; all where there are no splits. A list may
    also have the two columns of the published evaluations, folder of pictures and file of joints.

    Raises:
        SourceError: the folder is not laid out like this, or there is no such split.
    """
    for folder in (IMAGES, POSITIONS):
        if not (path / folder).is_dir():
            raise SourceError(
                f'there is no folder {path / folder}: expected {IMAGES}, {POSITIONS} and '
                f'{SPLITS} of JHMDB in {path}'
            )
    chosen = selection.sequences
    if not chosen and selection.list_file is not None:
        chosen = tuple(
            '/'.join(PurePosixPath(n).parts[-2:]) for n in read_list(selection.list_file)
        )
    names = Selection(chosen).names([] if chosen else _default(path, selection.split))
    return [_open(path, name, selection) for name in names]


def _default(path: Path, split: str | None) -> list[str]:
    """All names, or those of a split."""
    end = f'_test_split{split or SPLIT}.txt'
    files = sorted((path / SPLITS).glob(f'*{end}'))
    if files:
        return [name for file in files for name in _tested(file, file.name.removesuffix(end))]
    if split is not None:
        present = sorted({file.stem.rpartition('split')[2] for file in path.glob(f'{SPLITS}/*')})
        raise SourceError(
            f'{path / SPLITS} has no split {split!r}; it has {", ".join(present) or "none at all"}'
        )
    return [
        f'{kind}/{video}'
        for kind in subfolders(path / POSITIONS)
        for video in subfolders(path / POSITIONS / kind)
    ]


def _tested(file: Path, kind: str) -> list[str]:
    """Names of the test videos in a list with the lines `video.avi 1` and `video.avi 2`."""
    try:
        lines = [line.split() for line in file.read_text(encoding='utf-8').splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f'cannot read the split {file}: {error}') from None
    return [f'{kind}/{line[0].removesuffix(".avi")}' for line in lines if line[1:] == [TEST]]


def _open(path: Path, name: str, selection: Selection) -> JhmdbSequence | Refusal:
    try:
        images, positions = below(path / IMAGES, name), below(path / POSITIONS, f'{name}/{FILE}')
    except SourceError as error:
        return Refusal(name, str(error))
    files = pictures(images)
    if len(files) < FEWEST:
        return Refusal(name, f'{images} has {len(files)} pictures; expected {FEWEST} or more')
    if not positions.is_file():
        return Refusal(name, f'{positions} is missing: it holds the joints')
    return JhmdbSequence(name, files, positions, selection.side, selection.limit)


def read_matrix(path: Path, name: str) -> NDArray[np.float64]:
    """A matrix of numbers in a file of Matlab 4 to 7.2.

    SciPy reads it, which nothing else here needs: it comes with an extra.

    Raises:
        SourceError: SciPy is missing, the file cannot be read, or it has no such matrix.
    """
    try:
        from scipy.io import loadmat
    except ImportError as error:
        raise SourceError(
            f'{path} is read by SciPy, which is missing ({error}): pip install scipy'
        ) from None
    try:
        matrix = loadmat(path, variable_names=[name]).get(name)
    except Exception as error:  # broken files raise whatever the reader stumbles over
        raise SourceError(f'cannot read {path} as a file of Matlab: {error}') from None
    if matrix is None:
        raise SourceError(f'{path} has no matrix {name!r}')
    try:
        return np.asarray(matrix, np.float64)
    except (TypeError, ValueError):
        raise SourceError(f'{path}: {name} is no matrix of numbers') from None
