"""Which topics of a recording are the tracker's, and which the camera's."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from drift_ros.errors import SourceError
from drift_ros.evaluation.datasets.bag import tracks_beside
from drift_ros.io.bags import BagReader
from drift_ros.io.labels import label_topic
from drift_ros.io.messages import CAMERA_INFO, COMPRESSED_IMAGE, IMAGE

COMPRESSED = '/compressed'


def find_results(
    reader: BagReader, labels: str | None, tracks: str | None, exclude: Collection[str] = ()
) -> tuple[str, str]:
    """Topics of a tracker's label maps and of its tracks; the latter is '' if there is none.

    Args:
        labels, tracks: as the user named them; None: the only ones there are, where `~/labels`
            with `~/tracks` beside it goes before other label maps, and what is called truth last.

    Raises:
        SourceError: there are none, several, or not those that were named.
    """

    def of_tracker(topic: str) -> bool:
        return bool(tracks_beside(reader.topics, topic)) and 'truth' not in topic.lower()

    chosen = label_topic(reader, labels, '--labels', exclude, of_tracker)
    if tracks is not None:
        reader.count(tracks)  # names what is there if this is not
    return chosen, tracks if tracks is not None else tracks_beside(reader.topics, chosen)


def find_camera(reader: BagReader, image: str | None, exclude: Collection[str] = ()) -> str:
    """Topic that has the stamps of the camera's images: the images or their camera_info; or ''.

    Args:
        image: as the user named it; None: the only one of images, else the only camera_info.

    Raises:
        SourceError: there are several, or the one that was named is of another type.
    """
    if image is not None:
        kind = reader.topics.get(image)
        if kind not in (None, IMAGE, COMPRESSED_IMAGE, CAMERA_INFO):
            raise SourceError(
                f'topic {image} of {reader.path} has the type {kind}: expected {IMAGE}, '
                f'{COMPRESSED_IMAGE} or {CAMERA_INFO}'
            )
        return image if kind else ''
    raw = without_twins([topic for topic in reader.image_topics() if topic not in exclude])
    infos = [topic for topic, kind in reader.topics.items() if kind == CAMERA_INFO]
    found = raw or infos
    if len(found) > 1:
        raise SourceError(
            f'{reader.path} has several cameras: name one of {", ".join(found)} with --image'
        )
    return found[0] if found else ''


def without_twins(topics: Sequence[str]) -> list[str]:
    """Topics without those that have the images of another one compressed."""
    return [
        topic
        for topic in topics
        if not topic.endswith(COMPRESSED) or topic.removesuffix(COMPRESSED) not in topics
    ]


def overlay_beside(labels: str) -> str:
    """The topic of pictures for people that the tracker of these label maps publishes."""
    return f'{labels.rpartition("/")[0]}/overlay'
