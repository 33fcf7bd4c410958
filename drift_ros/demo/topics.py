"""Which topics of a bag are the camera's image, its camera_info, its depth, and the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from drift_ros.errors import SourceError

IMAGE, COMPRESSED = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'
CAMERA_INFO = 'sensor_msgs/msg/CameraInfo'
TRACKS = 'drift_ros/msg/TrackedObjectArray'


@dataclass(frozen=True, slots=True)
class Topics:
    """Names of topics; empty where there is none.

    Attributes:
        image: raw or compressed images.
        compressed: whether `image` is compressed.
        camera_info, depth: what gives positions.
        truth_labels: label maps that are known to be right.
        truth_tracks: objects that are known to be right.
    """

    image: str
    compressed: bool = False
    camera_info: str = ''
    depth: str = ''
    truth_labels: str = ''
    truth_tracks: str = ''


def choose(
    available: Mapping[str, str], colour: Sequence[str], image: str = '', depth: str = ''
) -> Topics:
    """Pick the topics by their types and names.

    Args:
        available: topic -> type, as in the bag.
        colour: topics that hold pictures, and not depth or labels.
        image, depth: given by the user, or empty.

    Raises:
        SourceError: no topic can be the image, several could, or a given one is not in the bag.
    """
    for name in (image, depth):
        if name and name not in available:
            raise SourceError(f'there is no topic {name!r} in the bag; it has:\n{_list(available)}')
    image = image or _image(colour, available)
    if available[image] not in (IMAGE, COMPRESSED):
        raise SourceError(
            f'topic {image!r} has {available[image]}, expected {IMAGE} or {COMPRESSED}'
        )
    others = [name for name, kind in available.items() if kind == IMAGE and name not in colour]
    depths = [name for name in others if 'depth' in name]
    aligned = [name for name in depths if 'aligned' in name] or depths
    truths = [name for name in others if 'labels' in name]
    info = f'{_parent(image)}/camera_info'
    tracks = [name for name, kind in available.items() if kind == TRACKS]
    return Topics(
        image,
        available[image] == COMPRESSED,
        info if available.get(info) == CAMERA_INFO else '',
        depth or (aligned[0] if len(aligned) == 1 else ''),
        truths[0] if len(truths) == 1 else '',
        tracks[0] if len(tracks) == 1 else '',
    )


def _image(colour: Sequence[str], available: Mapping[str, str]) -> str:
    """The only one; of several, the only raw one."""
    if not colour:
        raise SourceError(f'no topic of the bag has images; it has:\n{_list(available)}')
    raw = [name for name in colour if available[name] == IMAGE] or list(colour)
    if len(raw) > 1:
        raise SourceError(
            f'several topics of the bag have images: {", ".join(raw)}; choose one with --image'
        )
    return raw[0]


def _parent(topic: str) -> str:
    """Namespace of a camera: `/camera/image/compressed` and `/camera/image` have `/camera`."""
    return topic.removesuffix('/compressed').rpartition('/')[0]


def _list(available: Mapping[str, str]) -> str:
    return '\n'.join(f'  {name}: {kind}' for name, kind in sorted(available.items())) or '  nothing'
