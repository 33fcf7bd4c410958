"""Which topics of a bag a tracker is fed with: the camera's image, its camera_info, its depth."""

from __future__ import annotations

from dataclasses import dataclass

from drift_ros.errors import SourceError
from drift_ros.evaluation.recorded.topics import COMPRESSED, without_twins
from drift_ros.io.bags import BagReader
from drift_ros.io.labels import label_topics
from drift_ros.io.messages import CAMERA_INFO, COMPRESSED_IMAGE, IMAGE


@dataclass(frozen=True, slots=True)
class Topics:
    """Names of topics; empty where there is none.

    Attributes:
        compressed: whether `image` is compressed.
        truth: label maps that are known to be right.
    """

    image: str
    compressed: bool = False
    camera_info: str = ''
    depth: str = ''
    truth: str = ''

    @property
    def inputs(self) -> list[str]:
        """What the tracker is fed with."""
        return [name for name in (self.image, self.camera_info, self.depth) if name]


def choose(reader: BagReader, image: str = '', depth: str = '') -> Topics:
    """Pick the topics by their types and names.

    Args:
        image, depth: given by the user, or empty.

    Raises:
        SourceError: no topic can be the image, several could (a raw one goes before its compressed
            twin), or a given one is not in the bag.
    """
    colour = reader.image_topics()
    twins = set(colour) - set(without_twins(colour))
    try:
        image = reader.image_topic(image or None, twins)
    except SourceError as error:
        raise SourceError(f'{error} (--image)') from None
    if depth:
        reader.count(depth)  # names what is there if this is not
    truths = label_topics(reader)
    depths = [
        name
        for name, kind in reader.topics.items()
        if kind == IMAGE and 'depth' in name and name not in (*colour, *truths)
    ]
    aligned = [name for name in depths if 'aligned' in name] or depths
    info = f'{image.removesuffix(COMPRESSED).rpartition("/")[0]}/camera_info'
    return Topics(
        image,
        reader.topics[image] == COMPRESSED_IMAGE,
        info if reader.topics.get(info) == CAMERA_INFO else '',
        depth or (aligned[0] if len(aligned) == 1 else ''),
        truths[0] if len(truths) == 1 else '',
    )
