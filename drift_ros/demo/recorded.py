"""From bags to what is known about their frames."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from drift_ros.demo.observations import ObjectState, Observations
from drift_ros.io.bags import BagReader
from drift_ros.io.messages import stamp_of
from drift_ros.tracking.types import Frame


def observations(
    bag: Path, labels: str, tracks: str, generation: int | None = None
) -> Observations:
    """Label maps and objects of a bag.

    Args:
        bag: where it is.
        labels: topic of label maps.
        tracks: topic of TrackedObjectArray; none if empty.
        generation: only frames whose tracks are of this generation; None: all.
    """
    found = Observations()
    with BagReader(bag) as reader:
        chosen = [topic for topic in (labels, tracks) if topic in reader.topics]
        for topic, received, message in reader.messages(chosen):
            stamp = stamp_of(message)
            if topic == labels:
                pixels = np.asarray(message.data, np.uint8).reshape(message.height, -1)
                found.add_labels(stamp, np.ascontiguousarray(pixels[:, : message.width]))
            elif generation is None or message.generation == generation:
                found.objects[stamp] = {obj.id: _state(obj) for obj in message.objects}
                found.received[stamp] = received
    if generation is not None:  # label maps do not say theirs
        found.keep_labels_of(found.objects)
    return found


def frames(bag: Path, topic: str, count: int | None = None) -> Iterator[Frame]:
    """The first `count` frames of a topic of images; all if None."""
    with BagReader(bag) as reader:
        yield from islice(reader.frames(topic), count)


def _state(message: Any) -> ObjectState:
    at, centre = message.position, message.centroid
    nowhere = (float('nan'), float('nan'))
    return ObjectState(
        name=message.name,
        score=float(message.score),
        visible=bool(message.visible),
        area=int(message.area),
        centroid=(float(centre.x), float(centre.y)) if message.visible else nowhere,
        position=(float(at.x), float(at.y), float(at.z)) if message.has_position else None,
    )
