"""The layout of YouTube-VOS: objects that appear later, annotations on every fifth frame.

Xu et al., YouTube-VOS: Sequence-to-Sequence Video Object Segmentation, ECCV 2018. An object is
given in the first annotation that shows it and scored in all later ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from drift_ros.documents import LARGEST, DocumentError, read_json
from drift_ros.errors import SourceError
from drift_ros.evaluation.datasets.folders import FolderSequence, doubled, pictures, subfolders
from drift_ros.evaluation.datasets.selection import Selection
from drift_ros.evaluation.scores import Refusal
from drift_ros.io.frames import stamp_of
from drift_ros.paths import below

FPS = 30.0  # names of frames count at this rate: 00005 is 1/6 s behind 00000
IMAGES, ANNOTATIONS, META = 'JPEGImages', 'Annotations', 'meta.json'


class YoutubeSequence(FolderSequence):
    """Begins with its first annotation.

    Args:
        meta: of `meta.json`: id -> what is known about the object.
    """

    def __init__(
        self,
        name: str,
        images: Sequence[Path],
        annotations: Mapping[int, Path],
        merge: bool = False,
        meta: Mapping[int, Mapping[str, Any]] | None = None,
    ) -> None:
        super().__init__(name, images, annotations, merge)
        self._meta = dict(meta or {})

    @cached_property
    def stamps(self) -> Sequence[int]:
        """By the numbers in the names of the frames, at 30 per second; else by their order."""
        names = self.frames
        if not all(name.isdigit() for name in names):
            return [stamp_of(index, FPS) for index in range(len(names))]
        return [stamp_of(int(name), FPS) for name in names]

    @cached_property
    def objects(self) -> Mapping[int, str]:
        """Id -> category, where meta.json names it."""
        ids = sorted(id_ for ids in self.given.values() for id_ in ids)
        return {id_: str(self._meta.get(id_, {}).get('category', '')) for id_ in ids}

    @cached_property
    def given(self) -> Mapping[int, tuple[int, ...]]:
        """Each object where an annotation shows it first.

        Raises:
            SourceError: no annotation shows an object, or one cannot be read.
        """
        seen: set[int] = set()
        found: dict[int, tuple[int, ...]] = {}
        for index in self._annotations:
            if self._meta and not self._may_begin(index) and index != self._first:
                continue
            new = [id_ for id_ in self._present(self.truth(index)) if id_ not in seen]
            if new:
                seen.update(new)
                found[index] = tuple(new)
            if self._merge and seen:
                break
        if not found:
            raise SourceError(
                f'the annotations of {self.name} are all empty: they must show what to track'
            )
        return found

    @cached_property
    def scored(self) -> Sequence[int]:
        """All annotated frames behind the first that gives an object."""
        begin = min(self.given)
        return [index for index in self._annotations if index > begin]

    def _may_begin(self, index: int) -> bool:
        """Whether meta.json says that an object begins there (spares reading the others)."""
        return self.frames[index] in self._beginnings

    @cached_property
    def _beginnings(self) -> frozenset[str]:
        lists = (entry.get('frames') for entry in self._meta.values())
        return frozenset(str(min(frames)) for frames in lists if frames)


def open_youtube_vos(path: Path, selection: Selection) -> list[YoutubeSequence | Refusal]:
    """The chosen sequences of a folder with JPEGImages, Annotations and perhaps meta.json.

    Raises:
        SourceError: the folder is not laid out like this, or meta.json is broken.
    """
    images, annotations = path / IMAGES, path / ANNOTATIONS
    for folder in (images, annotations):
        if not folder.is_dir():
            raise SourceError(
                f'there is no folder {folder}: expected {IMAGES} and {ANNOTATIONS} in {path}, each '
                'with a folder per sequence'
            )
    meta = _read_meta(path / META)
    return [
        _open(name, images, annotations, meta.get(name, {}), selection)
        for name in selection.names(subfolders(annotations))
    ]


def _open(
    name: str,
    images: Path,
    annotations: Path,
    meta: Mapping[int, Mapping[str, Any]],
    selection: Selection,
) -> YoutubeSequence | Refusal:
    try:
        images, annotations = below(images, name), below(annotations, name)
    except SourceError as error:
        return Refusal(name, str(error))
    files = pictures(images)
    if not files:
        return Refusal(name, f'{images} has no pictures')
    if problem := doubled(files):
        return Refusal(name, problem)
    annotated = {file.stem: file for file in pictures(annotations) if file.suffix == '.png'}
    lost = sorted(annotated.keys() - {file.stem for file in files})
    if lost:
        return Refusal(name, f'{annotations / lost[0]}.png belongs to no picture in {images}')
    begin = next((i for i, file in enumerate(files) if file.stem in annotated), None)
    if begin is None:
        return Refusal(name, f'{annotations} has no annotations')
    files = files[begin:][: selection.limit]
    found = {i: annotated[file.stem] for i, file in enumerate(files) if file.stem in annotated}
    if len(found) < 2:
        return Refusal(
            name, f'{annotations} has {len(found)} annotation: the first is given, so that at '
            'least one more is needed to score'
        )  # fmt: skip
    return YoutubeSequence(name, files, found, selection.merge, meta)


def _read_meta(file: Path) -> dict[str, dict[int, Mapping[str, Any]]]:
    """Sequence -> id -> what meta.json says; empty without one."""
    if not file.is_file():
        return {}
    try:
        videos = read_json(file, LARGEST, LARGEST)['videos']
        return {
            name: {int(id_): dict(entry) for id_, entry in video['objects'].items()}
            for name, video in videos.items()
        }
    except (DocumentError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SourceError(
            f'cannot read {file}: {error!r}; expected {{"videos": {{NAME: {{"objects": {{ID: '
            '{"category": ..., "frames": [...]}}}}}'
        ) from None
