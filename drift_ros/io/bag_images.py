"""The images of a bag in any order."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drift_ros.errors import FrameError, SourceError
from drift_ros.io.bags import BagReader
from drift_ros.io.closing import Closing
from drift_ros.io.messages import raw_stamp
from drift_ros.io.skipped import Skipped


class Place(NamedTuple):
    """Where an image is found.

    Attributes:
        stamp: of its header in ns.
        received: in ns.
        number: of the message in its topic, from 0.
        size: (height, width) in px.
    """

    stamp: int
    received: int
    number: int
    size: tuple[int, int]


class BagImages(Closing):
    """The images of one topic that can be used. A context manager; it is open from the start.

    The topic is read once to find them. Broken ones, and those that are not newer than the one
    before, are left out.

    Args:
        topic: of raw or compressed images; None: the only one there is.

    Attributes:
        places: of the images, by rising stamp.

    Raises:
        SourceError: the bag or the topic cannot be read.
    """

    def __init__(
        self, path: str | Path, topic: str | None = None, exclude: Collection[str] = ()
    ) -> None:
        self._reader = BagReader(path)
        self.places: list[Place] = []
        self.skipped = Skipped()
        try:
            self.topic = self._reader.image_topic(topic, exclude)
            self._find()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the bag."""
        self._reader.close()

    def image(self, place: Place) -> NDArray[np.uint8]:
        """Image (H, W, 3) uint8 RGB.

        Raises:
            SourceError: it cannot be read any more.
        """
        time = place.received
        for _, _, _, data in self._reader.raw([self.topic], time, time + 1):
            if raw_stamp(data) == place.stamp:
                return self._reader.frame(self.topic, data, place.number).image
        raise SourceError(f'message {place.number} of {self.topic} is no longer in the bag')

    def _find(self) -> None:
        newest = -1
        for number, (_, _, received, data) in enumerate(self._reader.raw([self.topic])):
            try:
                frame = self._reader.frame(self.topic, data, number)
            except (FrameError, SourceError) as error:
                self.skipped.add(f'message {number} of {self.topic}: {error}')
                continue
            if frame.stamp <= newest:
                self.skipped.add(
                    f'message {number} of {self.topic}: its stamp is not after the one before'
                )
                continue
            newest = frame.stamp
            self.places.append(Place(frame.stamp, received, number, frame.size))
