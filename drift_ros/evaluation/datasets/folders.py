"""Sequences that are folders: pictures here, annotations there."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drift_ros.errors import FrameError, SourceError
from drift_ros.evaluation.datasets.annotations import VOID, read_annotation
from drift_ros.evaluation.protocols import AnnotatedSequence, Labels
from drift_ros.io.frames import natural
from drift_ros.io.images import decode

PICTURES = ('.jpg', '.jpeg', '.png')
ONE = 1  # id of the object of a binary mask, and of merged objects


class FolderSequence(AnnotatedSequence):
    """Pictures and annotations with the same names.

    Args:
        images: picture of every frame, in order.
        annotations: frame number -> annotation, at least one.
        merge: whether all objects are taken for one.
    """

    def __init__(
        self,
        name: str,
        images: Sequence[Path],
        annotations: Mapping[int, Path],
        merge: bool = False,
    ) -> None:
        self.name = name
        self._images, self._annotations = list(images), dict(annotations)
        self._merge = merge

    @property
    def frames(self) -> Sequence[str]:
        """Names of the pictures without suffix."""
        return [file.stem for file in self._images]

    @property
    def files(self) -> Sequence[Path]:
        """All that it reads."""
        return [*self._images, *self._annotations.values()]

    @cached_property
    def digest(self) -> str:
        """Of names, sizes and times of change of all files."""
        return digest_of(self.files)

    def image(self, index: int) -> NDArray[np.uint8]:
        """Image (H, W, 3) uint8 RGB of a frame.

        Raises:
            SourceError: it cannot be read as a whole.
        """
        return read_picture(self._images[index])

    def truth(self, index: int) -> Labels:
        """Label map (H, W) uint8 of an annotated frame; void is background.

        Raises:
            SourceError: the annotation is missing or cannot be used.
        """
        labels = self._read(index)
        return (labels > 0).view(np.uint8) if self._merge else labels

    @cached_property
    def _binary(self) -> bool:
        """Whether the first annotation is 0 and 255 alone: there 255 is the object, not void."""
        return self._present(read_annotation(self._file(self._first))) == [VOID]

    @property
    def _first(self) -> int:
        return min(self._annotations)

    def _read(self, index: int) -> Labels:
        labels = read_annotation(self._file(index))
        if (labels == VOID).any():
            labels = np.where(labels == VOID, ONE if self._binary else 0, labels).astype(np.uint8)
        return labels

    def _file(self, index: int) -> Path:
        if index not in self._annotations:
            raise SourceError(f'frame {self.frames[index]} of {self.name} has no annotation')
        return self._annotations[index]

    @staticmethod
    def _present(labels: Labels) -> list[int]:
        return [int(id_) for id_ in np.flatnonzero(np.bincount(labels.ravel())) if id_]


def digest_of(files: Iterable[Path]) -> str:
    """Digest of names, sizes and times of change of files."""
    digest = hashlib.sha256()
    for file in files:
        facts = file.stat()
        digest.update(f'{file.name} {facts.st_size} {facts.st_mtime_ns}\n'.encode())
    return digest.hexdigest()[:16]


def read_picture(file: Path) -> NDArray[np.uint8]:
    """Image (H, W, 3) uint8 RGB of a file.

    Raises:
        SourceError: it cannot be read as a whole.
    """
    try:
        picture = decode(file.read_bytes())
    except OSError as error:
        raise SourceError(f'cannot read the image {file}: {error.strerror}') from None
    except FrameError as error:
        raise SourceError(f'cannot read the image {file}: {error}') from None
    if picture is None:
        raise SourceError(f'{file} is no whole picture: copy the data set anew')
    return picture


def pictures(folder: Path) -> list[Path]:
    """The pictures in a folder in the order of their numbers; none if it is missing."""
    if not folder.is_dir():
        return []
    found = (file for file in folder.iterdir() if file.suffix.lower() in PICTURES)
    return sorted((file for file in found if not file.name.startswith('.')), key=natural)


def doubled(files: Sequence[Path]) -> str:
    """Why pictures cannot be frames: two have one name, such as 00000.jpg and 00000.png; or ''."""
    first: dict[str, Path] = {}
    for file in files:
        if first.setdefault(file.stem, file) is not file:
            return f'{file.parent} has both {first[file.stem].name} and {file.name}: remove one'
    return ''


def subfolders(folder: Path) -> list[str]:
    """Names of the folders in a folder, sorted; none if it is missing."""
    if not folder.is_dir():
        return []
    return sorted(f.name for f in folder.iterdir() if f.is_dir() and not f.name.startswith('.'))
