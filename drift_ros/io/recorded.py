"""From bags to what is known about their frames."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from drift_ros.errors import FrameError, SourceError
from drift_ros.io.bags import BagReader
from drift_ros.io.labels import label_map
from drift_ros.io.messages import TRACKS, raw_stamp, stamp_of
from drift_ros.io.observations import ObjectState, Observations
from drift_ros.io.stamps import in_seconds
from drift_ros.structures import NOWHERE, TargetState


class RecordedTracks(NamedTuple):
    """The objects of a frame in one message of a tracker.

    Attributes:
        received: when, in ns.
        objects: id -> state.
    """

    received: int
    generation: int
    objects: Mapping[int, ObjectState]


def observations(
    bag: Path, labels: str, tracks: str = '', generation: int | None = None
) -> Observations:
    """Label maps and objects of a bag.

    A tracker publishes a frame once in each generation of its targets: the last of those asked for
    counts. Label maps that cannot be used are skipped and noted.

    Args:
        tracks: topic of TrackedObjectArray; none if empty.
        generation: only frames whose tracks are of this generation; None: all.

    Raises:
        SourceError: the bag cannot be read, a topic is not in it, or no label map can be used.
    """
    found = Observations()
    with BagReader(bag) as reader:
        tracks_of = read_tracks(reader, tracks) if tracks in reader.topics else {}
        for stamp, all_tracks in tracks_of.items():
            for one in all_tracks:
                if generation in (None, one.generation):
                    found.objects[stamp] = one.objects
                    found.received[stamp] = one.received
        times: dict[int, list[int]] = defaultdict(list)
        for _, _, received, data in reader.raw([labels]):
            times[raw_stamp(data)].append(received)
        wanted = {s: _choose(at, tracks_of.get(s, ()), generation) for s, at in times.items()}
        seen: dict[int, int] = defaultdict(int)
        for _, _, received, data in reader.raw([labels]):
            stamp = raw_stamp(data)
            turn, seen[stamp] = seen[stamp], seen[stamp] + 1
            if turn != wanted[stamp]:
                continue
            try:
                found.add_labels(stamp, label_map(reader.message(labels, data)))
            except (FrameError, SourceError) as error:
                found.skipped.add(f'label map of {in_seconds(stamp)} on {labels}: {error}')
                continue
            found.received.setdefault(stamp, received)
    if found.skipped and not found.stamps:
        raise SourceError(
            f'none of {found.skipped.total} label maps of {bag} can be used: {found.skipped[0]}'
        )
    return found


def read_tracks(reader: BagReader, topic: str) -> dict[int, list[RecordedTracks]]:
    """The tracks of each frame, by its stamp in ns, in the order of receipt.

    Raises:
        SourceError: the topic is not in the bag or holds no TrackedObjectArray.
    """
    if reader.topics.get(topic, TRACKS) != TRACKS:
        raise SourceError(
            f'topic {topic} of {reader.path} has the type {reader.topics[topic]}: expected {TRACKS}'
        )
    tracks_of: dict[int, list[RecordedTracks]] = defaultdict(list)
    for _, received, message in reader.messages([topic]):
        states = {obj.id: _state(obj) for obj in message.objects}
        tracks_of[stamp_of(message)].append(
            RecordedTracks(received, int(message.generation), states)
        )
    return dict(tracks_of)


def _choose(
    labels: Sequence[int], tracks: Sequence[RecordedTracks], generation: int | None
) -> int | None:
    """Which of the label maps of one frame counts.

    Label maps do not say their generation: they are assigned by their order, and where one of
    them was lost by their times.

    Args:
        labels: times of receipt in ns, at least one.
        tracks: of the frame.
        generation: that counts; None: any.
    """
    counting = [turn for turn, one in enumerate(tracks) if generation in (None, one.generation)]
    if not counting:
        return None if tracks or generation is not None else len(labels) - 1
    last = counting[-1]
    if len(labels) == len(tracks):
        return last
    return min(range(len(labels)), key=lambda turn: abs(labels[turn] - tracks[last].received))


def _state(message: Any) -> ObjectState:
    at, centre, expected = message.position, message.centroid, message.predicted_centroid
    visible, occluded = bool(message.visible), message.state == TargetState.OCCLUDED
    return ObjectState(
        name=message.name,
        score=float(message.score),
        visible=visible,
        area=int(message.area),
        centroid=(float(centre.x), float(centre.y)) if visible else NOWHERE,
        position=(float(at.x), float(at.y), float(at.z)) if message.has_position else None,
        state=TargetState(message.state),
        unseen=float(message.unseen),
        predicted_centroid=(float(expected.x), float(expected.y)) if occluded else NOWHERE,
    )
