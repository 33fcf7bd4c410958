"""The frames of a live run as a sequence, for the pictures of its report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drift_ros.errors import SourceError
from drift_ros.evaluation.protocols import AnnotatedSequence, Labels
from drift_ros.evaluation.recorded.scoring import LiveScore, Request
from drift_ros.evaluation.recorded.topics import overlay_beside
from drift_ros.io.bag_images import BagImages, Place
from drift_ros.io.bags import BagReader
from drift_ros.io.stamps import pair


class LiveSequence(AnnotatedSequence):
    """The frames of a live run, which was read already."""

    def __init__(self, request: Request, live: LiveScore) -> None:
        self._request, self._live = request, live
        self._aligned = live.aligned
        self.name = live.score.name

    @property
    def digest(self) -> str:
        """Of no use: nothing goes on from here."""
        return ''

    @property
    def skipped(self) -> Sequence[str]:
        """What was left out of the score."""
        return self._live.score.skipped

    @property
    def frames(self) -> Sequence[str]:
        """Numbers from the first frame whose truth shows an object."""
        return [f'{number:05d}' for number in range(len(self.stamps))]

    @property
    def stamps(self) -> Sequence[int]:
        """Of the images in ns."""
        return self._aligned.timeline.stamps

    @property
    def objects(self) -> Mapping[int, str]:
        """Id -> name of the objects that were scored."""
        return self._aligned.objects

    @property
    def given(self) -> Mapping[int, tuple[int, ...]]:
        """Where objects were prompted; -1 for those from before the first frame."""
        return {number: tuple(ids) for number, ids in self._aligned.begins.items()}

    @property
    def scored(self) -> Sequence[int]:
        """Frames with a truth after the first prompt."""
        return sorted(n for n in self._aligned.timeline.truth if n > min(self._aligned.begins))

    def image(self, index: int) -> NDArray[np.uint8]:
        """Image (H, W, 3) uint8 RGB of a frame.

        Raises:
            SourceError: neither bag has it.
        """
        images, places = self._images
        if index not in places:
            raise SourceError(f'no bag has the image of frame {index}')
        return images.image(places[index])

    def truth(self, index: int) -> Labels:
        """Label map (H, W) uint8 of a frame with a truth."""
        return self._aligned.known(index)

    @cached_property
    def _images(self) -> tuple[BagImages, dict[int, Place]]:
        """The images of the run and where each frame is among them."""
        for bag in self._request.bags:
            topic = self._topic(bag)
            if topic:
                images = BagImages(bag, topic)
                places = {place.stamp: place for place in images.places}
                pairs = pair(self.stamps, list(places), self._request.tolerance)
                numbers = {stamp: number for number, stamp in enumerate(self.stamps)}
                return images, {numbers[own]: places[at] for own, at in pairs.items()}
        raise SourceError('neither bag has the images of the run')

    def _topic(self, bag: Path) -> str:
        """The topic of images of a bag; '' if there is none, or several."""
        named = self._live.topics
        others = (named['labels'], named['truth'], overlay_beside(named['labels']))
        with BagReader(bag) as reader:
            found = [topic for topic in reader.image_topics() if topic not in others]
        if named['camera'] in found:
            return named['camera']
        return found[0] if len(found) == 1 else ''
