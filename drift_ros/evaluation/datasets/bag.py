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
from drift_ros.evaluation.types import Labels
from drift_ros.io.bag_images import BagImages, Place
from drift_ros.io.bags import BagReader, is_bag
from drift_ros.io.labels import label_topic
from drift_ros.io.messages import TRACKS
from drift_ros.io.observations import Observations
from drift_ros.io.recorded import observations
from drift_ros.io.stamps import no_pairs, pair


@dataclass(frozen=True)
class BagOptions:
    """How a bag is read.

    Attributes:
        labels: topic of the true label maps; None: the only one there is.
        image: topic of the images; None: the only one there is.
        tolerance: largest difference in s between the stamps of an image and its label map.
    """

    labels: str | None = None
    image: str | None = None
    tolerance: float = 0.0


@dataclass
class _Opened:
    images: BagImages
    truth: Observations
    places: list[Place]
    stamps: dict[int, int]  # number of a frame -> stamp of its label map
    objects: dict[int, str] = field(default_factory=dict)
    given: dict[int, tuple[int, ...]] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)


class BagSequence:
    """The images of a bag from the first labelled to the last, and their truth.

    An object is given to the tracker in the first label map that shows it. The bag is read when
    something of it is asked for; every property then may raise SourceError: it cannot be read, it
    has no such topics, no stamps in common, no image of the size of its label map, or no object.

    Args:
        path: the bag, with the images.
        truth: bag with the label maps; None: the same.
        options: which topics.
        name: of the sequence; None: that of the bag.
    """

    def __init__(
        self,
        path: str | Path,
        truth: str | Path | None = None,
        options: BagOptions | None = None,
        name: str | None = None,
    ) -> None:
        self.path, self.truth_path = Path(path), Path(truth if truth is not None else path)
        self.options = options or BagOptions()
        self._name = name or bag_name(self.path)

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process opens the bag anew."""
        return type(self), (self.path, self.truth_path, self.options, self._name)

    @property
    def name(self) -> str:
        """Of the bag."""
        return self._name

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
        return labels

    @cached_property
    def _opened(self) -> _Opened:
        truth, topic = read_truth(self.truth_path, self.options.labels, self.options.image)
        exclude = (topic,) if self.truth_path == self.path else ()
        images = BagImages(self.path, self.options.image, exclude)
        stamps = [place.stamp for place in images.places]
        pairs = pair(truth.stamps, stamps, self.options.tolerance)
        if not pairs:
            raise no_pairs(topic, truth.stamps, images.topic, stamps, self.options.tolerance)
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
                    f'the label map of {stamp / 1e9:.9f} s has {_px(labels.shape)}, its image '
                    f'{_px(size)}'
                )
                continue
            maps[number] = stamp
            shown[number] = np.flatnonzero(np.bincount(labels.ravel())[1:]) + 1
        opened.skipped += problems
        if not maps:
            raise SourceError(f'{self.truth_path}: {problems[0]}, and so have all: nothing fits')
        seen = [number for number in sorted(maps) if shown[number].size]
        if not seen:
            raise SourceError(
                f'{self.truth_path}: none of {len(maps)} label maps shows an object (value above 0)'
            )
        first, last = seen[0], max(maps)
        known: set[int] = set()
        for number in seen:
            fresh = tuple(int(id_) for id_ in shown[number] if int(id_) not in known)
            if fresh:
                opened.given[number - first] = fresh
                known.update(fresh)
        names = opened.truth.names
        opened.objects = {id_: names.get(id_, '') for id_ in sorted(known)}
        opened.places = opened.images.places[first : last + 1]
        opened.stamps = {n - first: stamp for n, stamp in maps.items() if n >= first}


def open_bags(
    path: str | Path, truth: str | Path | None = None, options: BagOptions | None = None
) -> list[BagSequence]:
    """A bag, or every bag in a folder, each a sequence of its name.

    Args:
        path: bag or folder of bags.
        truth: bag with the label maps, or a folder of such bags with the same names; None: they are
            in the same bags.
        options: which topics.

    Raises:
        SourceError: there is no bag.
    """
    root, truths = Path(path), Path(truth) if truth is not None else None
    if not root.exists():
        raise SourceError(f'there is nothing at {root}: expected a bag or a folder of bags')
    if is_bag(root):
        return [BagSequence(root, truths, options)]
    bags = [entry for entry in sorted(root.iterdir()) if is_bag(entry)] if root.is_dir() else []
    if not bags:
        raise SourceError(
            f'{root} is neither a bag nor a folder of bags (folders with metadata.yaml, .mcap or '
            '.db3 files)'
        )
    return [BagSequence(bag, truths / bag.name if truths else None, options) for bag in bags]


def read_truth(
    path: Path, labels: str | None, image: str | None = None, exclude: Sequence[str] = ()
) -> tuple[Observations, str]:
    """True label maps of a bag with the names of their objects, and their topic.

    Args:
        path: the bag.
        labels: topic of the label maps; None: the only one, or the only one that is called truth.
        image: topic of the images, which holds no labels; None: not known.
        exclude: topics that hold something else.

    Raises:
        SourceError: the bag cannot be read, or there is no such topic.
    """
    others = (*exclude, *([image] if image else []))
    with BagReader(path) as reader:
        topic = label_topic(
            reader, labels, '--truth-labels', others, lambda name: 'truth' in name.lower()
        )
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
