"""A bag whose label images are the truth; a folder of such bags is a data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drift_ros.errors import SourceError
from drift_ros.evaluation.datasets.folders import ONE, digest_of
from drift_ros.evaluation.datasets.selection import Selection
from drift_ros.evaluation.protocols import AnnotatedSequence, Labels
from drift_ros.evaluation.scores import Refusal
from drift_ros.io.bag_images import BagImages, Place
from drift_ros.io.bags import BagReader, is_bag
from drift_ros.io.labels import label_topic
from drift_ros.io.messages import TRACKS
from drift_ros.io.observations import Observations
from drift_ros.io.recorded import observations
from drift_ros.io.stamps import in_seconds, no_pairs, pair


@dataclass
class _Opened:
    images: BagImages
    truth: Observations
    places: list[Place]
    stamps: dict[int, int]  # number of a frame -> stamp of its label map
    objects: dict[int, str] = field(default_factory=dict)
    given: dict[int, tuple[int, ...]] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)


class BagSequence(AnnotatedSequence):
    """The images of a bag from the first labelled to the last, and their truth.

    An object is given to the tracker in the first label map that shows it. The bag is read when
    something of it is asked for; every property then may raise SourceError: it cannot be read, it
    has no such topics, no stamps in common, no image of the size of its label map, or no object.

    Args:
        selection: topics, tolerance, limit and whether all objects are one.
        truth: bag with the label maps; None: the same.
    """

    def __init__(
        self, path: Path, selection: Selection | None = None, truth: Path | None = None
    ) -> None:
        self.name = bag_name(path)
        self._path, self._truth_path = path, truth or path
        self._selection = selection or Selection()

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process opens the bag anew."""
        return type(self), (self._path, self._selection, self._truth_path)

    @property
    def files(self) -> Sequence[Path]:
        """All of the bag, and of the one with the label maps."""
        bags = dict.fromkeys((self._path, self._truth_path))
        return [file for bag in bags for file in _files(bag)]

    @cached_property
    def digest(self) -> str:
        """Of names, sizes and times of change of the bags' files."""
        return digest_of(self.files)

    @cached_property
    def frames(self) -> Sequence[str]:
        """Numbers of the messages in their topic, as `drift track` names its label maps."""
        return [f'{place.number:05d}' for place in self._opened.places]

    @cached_property
    def stamps(self) -> Sequence[int]:
        """Of the images in ns."""
        return [place.stamp for place in self._opened.places]

    @property
    def objects(self) -> Mapping[int, str]:
        """Id -> name of all that the label maps show; named by tracks beside them."""
        return self._opened.objects

    @property
    def given(self) -> Mapping[int, tuple[int, ...]]:
        """Where each object is seen first."""
        return self._opened.given

    @cached_property
    def scored(self) -> Sequence[int]:
        """Numbers of the labelled frames but the first."""
        return sorted(self._opened.stamps)[1:]

    @property
    def skipped(self) -> Sequence[str]:
        """What was left out of the bag, in words."""
        return self._opened.skipped

    def image(self, index: int) -> NDArray[np.uint8]:
        """Image (H, W, 3) uint8 RGB of a frame."""
        return self._opened.images.image(self._opened.places[index])

    def truth(self, index: int) -> Labels:
        """Label map (H, W) uint8 of a labelled frame."""
        labels = self._opened.truth.labels(self._opened.stamps[index])
        assert labels is not None
        return (labels > 0).view(np.uint8) if self._selection.merge else labels

    @cached_property
    def _opened(self) -> _Opened:
        chosen = self._selection
        others = (chosen.image,) if chosen.image else ()
        truth, topic = read_truth(self._truth_path, chosen.labels, '--labels', others)
        exclude = (topic,) if self._truth_path == self._path else ()
        images = BagImages(self._path, chosen.image, exclude)
        stamps = [place.stamp for place in images.places]
        pairs = pair(truth.stamps, stamps, chosen.tolerance)
        if not pairs:
            raise no_pairs(topic, truth.stamps, images.topic, stamps, chosen.tolerance)
        opened = _Opened(images, truth, [], {})
        opened.skipped += [*images.skipped, *truth.skipped]
        if len(pairs) < len(truth.stamps):
            opened.skipped.append(f'{len(truth.stamps) - len(pairs)} label maps without an image')
        self._lay_out(opened, pairs)
        return opened

    def _lay_out(self, opened: _Opened, pairs: Mapping[int, int]) -> None:
        """Number the frames, and see which objects appear where."""
        numbers = {place.stamp: n for n, place in enumerate(opened.images.places)}
        shown: dict[int, NDArray[np.intp]] = {}  # number of a labelled frame -> ids
        maps: dict[int, int] = {}
        problems = []
        for stamp, image_stamp in pairs.items():
            number = numbers[image_stamp]
            labels = opened.truth.labels(stamp)
            assert labels is not None
            size = opened.images.places[number].size
            if labels.shape != size:
                problems.append(
                    f'the label map of {in_seconds(stamp)} has {_px(labels.shape)}, its image '
                    f'{_px(size)}'
                )
                continue
            maps[number] = stamp
            shown[number] = np.flatnonzero(np.bincount(labels.ravel())[1:]) + 1
        opened.skipped += problems
        if not maps:
            raise SourceError(f'{self._truth_path}: {problems[0]}, and so have all: nothing fits')
        seen = [number for number in sorted(maps) if shown[number].size]
        if not seen:
            raise SourceError(f'{self._truth_path}: none of {len(maps)} label maps shows an object')
        first, last = seen[0], max(maps)
        if self._selection.limit is not None:
            last = min(last, first + self._selection.limit - 1)
            maps = {number: stamp for number, stamp in maps.items() if number <= last}
            seen = [number for number in seen if number <= last]
        known: set[int] = set()
        for number in seen:
            ids = [ONE] if self._selection.merge else shown[number].tolist()
            fresh = tuple(id_ for id_ in ids if id_ not in known)
            if fresh:
                opened.given[number - first] = fresh
                known.update(fresh)
        names = {} if self._selection.merge else opened.truth.names
        opened.objects = {id_: names.get(id_, '') for id_ in sorted(known)}
        opened.places = opened.images.places[first : last + 1]
        opened.stamps = {n - first: stamp for n, stamp in maps.items() if n >= first}


def open_bags(path: Path, selection: Selection) -> list[BagSequence | Refusal]:
    """A bag, or the chosen bags of a folder, each a sequence of its name.

    The label maps are in the same bags, or in `selection.truth`: a bag, or a folder of bags with
    the same names.

    Raises:
        SourceError: there is no bag.
    """
    if not path.exists():
        raise SourceError(f'there is nothing at {path}: expected a bag or a folder of bags')
    truth = selection.truth
    single = is_bag(path)
    places = [path] if single else sorted(path.iterdir()) if path.is_dir() else []
    bags = {bag_name(bag): bag for bag in places if is_bag(bag)}
    if not bags:
        raise SourceError(
            f'{path} is neither a bag nor a folder of bags (folders with metadata.yaml, .mcap or '
            '.db3 files)'
        )
    found: list[BagSequence | Refusal] = []
    for name in selection.names(list(bags)):
        if name in bags:
            bag = bags[name]
            beside = truth / bag.name if truth and not single else truth
            found.append(BagSequence(bag, selection, beside))
        else:
            found.append(Refusal(name, f'{path} has no bag of this name, but {", ".join(bags)}'))
    return found


def read_truth(
    path: Path, labels: str | None, option: str, exclude: Sequence[str] = ()
) -> tuple[Observations, str]:
    """True label maps of a bag with the names of their objects, and their topic.

    Args:
        labels: topic of the label maps; None: the only one, or the only one that is called truth.
        option: that names it, for the error.

    Raises:
        SourceError: the bag cannot be read, or there is no such topic.
    """
    with BagReader(path) as reader:
        topic = label_topic(reader, labels, option, exclude, lambda name: 'truth' in name.lower())
        tracks = tracks_beside(reader.topics, topic)
    return observations(path, topic, tracks), topic


def tracks_beside(topics: Mapping[str, str], labels: str) -> str:
    """The topic of tracks that belongs to one of label maps: `/a/tracks` to `/a/labels`; or ''."""
    beside = f'{labels.rpartition("/")[0]}/tracks'
    return beside if topics.get(beside) == TRACKS else ''


def bag_name(path: Path) -> str:
    """Name of a bag for people: of its folder, or of its file without suffix."""
    path = path.resolve()
    return path.stem if path.is_file() else path.name


def _px(shape: Sequence[int]) -> str:
    return f'{shape[1]}x{shape[0]} px'


def _files(bag: Path) -> list[Path]:
    return sorted(f for f in bag.iterdir() if f.is_file()) if bag.is_dir() else [bag]
