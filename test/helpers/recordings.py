"""Bags as a camera, an annotator and a tracker leave them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drift_ros.io import messages
from drift_ros.io.bag_writer import BagWriter

Labels = NDArray[np.uint8]
START, PERIOD = 1_700_000_000 * 10**9, 50_000_000
SIZE = (60, 80)
MS = 1_000_000


def stamp(index: int) -> int:
    return START + index * PERIOD


def boxes(**corners: tuple[int, int]) -> Labels:
    """Boxes of 12 rows and 20 columns by id: `id1=(row, column)`."""
    labels = np.zeros(SIZE, np.uint8)
    for name, (row, column) in corners.items():
        labels[row : row + 12, column : column + 20] = int(name.removeprefix('id'))
    return labels


def moving(index: int) -> Labels:
    """Two boxes, one above the other, the upper one moving by 2 px per frame."""
    return boxes(id1=(5, 4 + 2 * index), id2=(35, 30))


@dataclass
class Bag:
    """Messages of a bag to write, in order of receipt."""

    messages: list[tuple[int, str, str, Any]] = field(default_factory=list)

    def put(self, topic: str, kind: str, message: Any, received: int) -> None:
        self.messages.append((received, topic, kind, message))

    def image(self, at: int, received: int | None = None, topic: str = '/camera/image') -> None:
        picture = np.full((*SIZE, 3), at // MS % 251, np.uint8)
        message = messages.image(picture, 'rgb8', at, 'camera')
        self.put(topic, messages.IMAGE, message, at if received is None else received)

    def labels(
        self,
        at: int,
        labels: NDArray[Any],
        received: int | None = None,
        topic: str = '/truth/labels',
        encoding: str = '8UC1',
    ) -> None:
        message = messages.image(labels, encoding, at, 'camera')
        self.put(topic, messages.IMAGE, message, at if received is None else received)

    def tracks(
        self,
        at: int,
        names: Mapping[int, str],
        received: int | None = None,
        topic: str = '/tracker/tracks',
        generation: int = 1,
    ) -> None:
        message = messages.make(
            messages.TRACKS,
            header=messages.header(at, 'camera'),
            generation=generation,
            objects=[_object(id_, name, at) for id_, name in names.items()],
        )
        self.put(topic, messages.TRACKS, message, at if received is None else received)

    def result(
        self, at: int, labels: Labels, names: Mapping[int, str], late: int = 0, generation: int = 1
    ) -> None:
        """Both messages of a tracker, `late` ns after the stamp."""
        self.labels(at, labels, at + late, '/tracker/labels')
        self.tracks(at, names, at + late, generation=generation)

    def write(self, path: Path, storage: Any = 'mcap') -> Path:
        with BagWriter(path, storage) as bag:
            for received, topic, kind, message in sorted(self.messages, key=lambda m: m[0]):
                bag.write(topic, kind, message, received)
        return path


def annotated(path: Path, truths: Sequence[Labels], **options: Any) -> Path:
    """A bag of images and true label maps."""
    bag = Bag()
    for index, truth in enumerate(truths):
        bag.image(stamp(index))
        bag.labels(stamp(index), truth)
    return bag.write(path, **options)


def _object(id_: int, name: str, at: int) -> Any:
    nowhere = {'x': 0.0, 'y': 0.0, 'z': 0.0}
    still = messages.make('geometry_msgs/msg/Vector3', **nowhere)
    return messages.make(
        'drift_ros/msg/TrackedObject',
        id=id_,
        name=name,
        score=1.0,
        visible=False,
        roi=messages.region(messages.Roi()),
        centroid=messages.make('drift_ros/msg/Point2D', x=0.0, y=0.0),
        area=0,
        mask=messages.image(np.zeros((0, 0), np.uint8), '', at, 'camera'),
        has_position=False,
        position=messages.make('geometry_msgs/msg/Point', **nowhere),
        state=0,
        unseen=0.0,
        predicted_roi=messages.region(messages.Roi()),
        predicted_centroid=messages.make('drift_ros/msg/Point2D', x=0.0, y=0.0),
        has_velocity=False,
        velocity=still,
        velocity_deviation=still,
        has_predicted_position=False,
        predicted_position=messages.make('geometry_msgs/msg/Point', **nowhere),
        predicted_deviation=still,
    )
