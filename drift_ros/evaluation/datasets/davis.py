"""DAVIS-2016 and DAVIS-2017, semi-supervised, scored as the official evaluation does.

Pont-Tuset et al., The 2017 DAVIS Challenge on Video Object Segmentation: the first annotation is
given, and neither it nor the last frame is scored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

from drift_ros.errors import SourceError
from drift_ros.evaluation.datasets.folders import ONE, FolderSequence, doubled, pictures, subfolders
from drift_ros.evaluation.datasets.selection import Selection, read_list
from drift_ros.evaluation.scores import Refusal
from drift_ros.io.frames import stamp_of
from drift_ros.paths import below

FPS = 24.0
IMAGES, ANNOTATIONS, SETS = 'JPEGImages', 'Annotations', 'ImageSets'
SPLIT = 'val'
FEWEST = 3  # frames, so that one is between the first and the last


class DavisSequence(FolderSequence):
    """Every frame annotated; objects are those that the first annotation shows."""

    @property
    def stamps(self) -> Sequence[int]:
        """24 frames per second."""
        return [stamp_of(index, FPS) for index in range(len(self._images))]

    @cached_property
    def objects(self) -> Mapping[int, str]:
        """Ids of the first annotation; DAVIS has no names.

        Raises:
            SourceError: the first annotation shows nothing, or cannot be read.
        """
        ids = self._present(self._read(0))
        if not ids:
            raise SourceError(
                f'the first annotation {self._file(0)} is empty: it must show what to track'
            )
        return dict.fromkeys([ONE] if self._merge else ids, '')


def open_davis(path: Path, selection: Selection) -> list[DavisSequence | Refusal]:
    """The chosen sequences of a folder with JPEGImages, Annotations and ImageSets.

    Without a choice they are those of the split (`val`), or all where there are no ImageSets.

    Raises:
        SourceError: the folder is not laid out like this, or there is no such split.
    """
    images, annotations = path / IMAGES / selection.resolution, path / ANNOTATIONS
    if not images.is_dir():
        raise SourceError(f'there is no folder {images}: {_hint(path)}')
    chosen = selection.names(_split(path, selection) or subfolders(images))
    return [_open(name, images, annotations / selection.resolution, selection) for name in chosen]


def _hint(path: Path) -> str:
    present = ', '.join(subfolders(path / IMAGES))
    if present:
        return f'{path / IMAGES} has {present}; name one by --resolution'
    below = ', '.join(str(path / f) for f in subfolders(path) if (path / f / IMAGES).is_dir())
    return f'expected {IMAGES}, {ANNOTATIONS} and {SETS} in {path}' + (
        f'; they are in {below}' if below else ''
    )


def _split(path: Path, selection: Selection) -> list[str]:
    """Names in the split; none where it is not needed, or not there and not asked for."""
    if selection.sequences or selection.list_file:
        return []
    split = selection.split or SPLIT
    years = ('2017', '2016', selection.resolution, '')
    for file in (path / SETS / year / f'{split}.txt' for year in years):
        if file.is_file():
            return read_list(file)
    if selection.split is None:
        return []
    present = sorted(f.stem for f in (path / SETS).rglob('*.txt'))
    raise SourceError(
        f'{path / SETS} has no split {split!r}; it has {", ".join(present) or "none at all"}'
    )


def _open(
    name: str, images: Path, annotations: Path, selection: Selection
) -> DavisSequence | Refusal:
    try:
        images, annotations = below(images, name), below(annotations, name)
    except SourceError as error:
        return Refusal(name, str(error))
    files = pictures(images)[: selection.limit]
    if len(files) < FEWEST:
        return Refusal(
            name, f'{images} has {len(files)} pictures; expected {FEWEST} or more, for neither the '
            'first nor the last is scored'
        )  # fmt: skip
    if problem := doubled(files):
        return Refusal(name, problem)
    found = {index: annotations / f'{file.stem}.png' for index, file in enumerate(files)}
    missing = [file.name for file in found.values() if not file.is_file()]
    if missing:
        more = f' and {len(missing) - 1} more' if len(missing) > 1 else ''
        return Refusal(
            name, f'{annotations} has no {missing[0]}{more}: every frame must be annotated'
        )
    return DavisSequence(name, files, found, selection.merge)
