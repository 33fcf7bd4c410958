"""Scores what a tracker published live, or wrote offline, against the truth in a bag."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from drift_ros.errors import SourceError
from drift_ros.evaluation.datasets.bag import bag_name, read_truth
from drift_ros.evaluation.metrics import Scorer
from drift_ros.evaluation.recorded.aligned import Aligned, Matching, align, listed, maps
from drift_ros.evaluation.recorded.matching import by_id
from drift_ros.evaluation.recorded.timeline import Timeline
from drift_ros.evaluation.recorded.timing import Distribution, arrivals, clock_problem, latency
from drift_ros.evaluation.recorded.topics import find_camera, find_results, overlay_beside
from drift_ros.evaluation.scores import SequenceScore
from drift_ros.io.bags import BagReader
from drift_ros.io.observations import Observations
from drift_ros.io.recorded import observations, read_tracks
from drift_ros.io.stamps import no_pairs


@dataclass(frozen=True)
class Request:
    """What is to be scored against what.

    Attributes:
        truth: bag with the true label maps; may be the same; None: there is no truth, and nothing
            but losses and latency can be known.
        labels, tracks: topics of the results; None: the only ones.
        truth_labels: topic of the truth; None: the only one.
        image: topic of the camera's images or camera_info, in either bag; None: the only one.
        tolerance: within which stamps are of one frame, in s.
        match: whether ids of results are those of the truth, or are matched by place.
        generation: that is scored; None: the last that has targets.
        count_dropped: whether a frame without a result is scored as one with an empty result.
        last: stamp in ns of the last frame that counts; None: all do.
        name: of the run; '': that of the bag of the truth.
        played: whether the images are known to have been played from a bag, with stamps of the past
            that say nothing of latency.
    """

    recorded: Path
    truth: Path | None
    labels: str | None = None
    tracks: str | None = None
    truth_labels: str | None = None
    image: str | None = None
    tolerance: float = 0.0
    match: Matching = 'id'
    generation: int | None = None
    count_dropped: bool = False
    last: int | None = None
    name: str = ''
    played: bool = False

    @property
    def bags(self) -> list[Path]:
        """That of the results before that of the truth, whose recorder had another clock."""
        return [bag for bag in dict.fromkeys((self.recorded, self.truth)) if bag is not None]


@dataclass(frozen=True)
class LiveScore:
    """How a live run did.

    Attributes:
        score: accuracy, as of any evaluated sequence, under the name of the truth's bag.
        topics: role -> topic that was read; '' where there is none.
        generation: that was scored; None if the results do not say theirs.
        stamps: of the frames after the first prompted one, in ns.
        labelled: whether a frame has a result.
        truth: how many of the frames have a truth, and how many of these no result.
        from_stamp: time from an image's stamp to the receipt of its result; None if not known.
        from_arrival: from the receipt of the image, or of its camera_info, by the same recorder.
        position_errors: true id -> distance in m between its true and its reported position, one
            per frame, of the objects where both are known of a frame.
        notes: what a reader of the numbers has to know.
    """

    score: SequenceScore
    aligned: Aligned
    topics: Mapping[str, str]
    generation: int | None
    stamps: tuple[int, ...]
    labelled: tuple[bool, ...]
    truth: tuple[int, int]
    from_stamp: Distribution | None
    from_arrival: Distribution | None
    position_errors: Mapping[int, Distribution]
    notes: tuple[str, ...]

    @property
    def dropped(self) -> int:
        """Frames without a result."""
        return self.labelled.count(False)

    @property
    def unfinished(self) -> int:
        """Frames without a result at the end: dropped, or the recording ended too early."""
        last = max((i for i, have in enumerate(self.labelled) if have), default=-1)
        return len(self.labelled) - 1 - last


def score_recording(request: Request) -> LiveScore:
    """Score a recording.

    An object is scored from the frame after the one on which it was first listed (or, without
    tracks, shown): what comes before it was prompted counts for nothing.

    Raises:
        SourceError: a bag or a topic cannot be read, or the two have nothing in common.
    """
    notes: list[str] = []
    named = (request.truth_labels,) if request.truth_labels and not request.labels else ()
    with BagReader(request.recorded) as reader:
        labels, tracks = find_results(reader, request.labels, request.tracks, named)
        generation = _generation(reader, tracks, request.generation, notes) if tracks else None
    truth, truth_labels = _truth(request, labels)
    results = observations(request.recorded, labels, tracks, generation)
    camera, sent, arrived = _camera(request, (labels, truth_labels, overlay_beside(labels)), notes)
    first_shown = _first_shown(truth if request.truth else results)
    camera_stamps, truth_stamps, result_stamps = (
        [stamp for stamp in every if request.last is None or stamp <= request.last]
        for every in (sent, truth.stamps, results.stamps)
    )
    timeline = Timeline(first_shown, camera_stamps, truth_stamps, result_stamps, request.tolerance)
    if request.truth and not timeline.truth.keys() & timeline.results.keys():
        raise no_pairs(
            f'{labels} of {request.recorded}',
            results.stamps,
            f'{truth_labels} of {request.truth}',
            truth.stamps,
            request.tolerance,
        )
    if request.truth:
        aligned = align(results, truth, timeline, request.match)
    else:
        aligned = Aligned(results, truth, timeline, by_id(results.names, results.names))
    first = min(aligned.begins)
    numbers = range(first + 1, len(timeline.stamps))
    shown = [timeline.results[number] for number in numbers if number in timeline.results]
    from_stamp = latency(shown, {stamp: stamp for stamp in shown}, results.received)
    live = from_stamp is None or any(from_stamp.values)  # else all came at their very stamps
    problem = clock_problem(from_stamp)
    if problem and not request.played:
        notes.append(problem)
    if aligned.left_out:
        notes.append(f'objects that were never prompted are left out: {listed(aligned.left_out)}')
    known_numbers = [number for number in timeline.truth if number > first]
    return LiveScore(
        score=_accuracy(request, aligned),
        aligned=aligned,
        topics={'labels': labels, 'tracks': tracks, 'truth': truth_labels, 'camera': camera},
        generation=generation,
        stamps=tuple(timeline.stamps[first + 1 :]),
        labelled=tuple(number in timeline.results for number in numbers),
        truth=(len(known_numbers), len(set(known_numbers) - timeline.results.keys())),
        from_stamp=None if problem else from_stamp,
        from_arrival=latency(shown, arrived, results.received) if live else None,
        position_errors=_position_errors(aligned, numbers),
        notes=tuple(notes),
    )


def _truth(request: Request, labels: str) -> tuple[Observations, str]:
    """The truth and its topic."""
    if request.truth is None:
        return Observations(), ''
    same = request.recorded.resolve() == request.truth.resolve()
    own = (labels,) if same and request.truth_labels is None else ()
    truth, topic = read_truth(request.truth, request.truth_labels, '--truth-labels', own)
    if not truth.shown:
        raise SourceError(f'no label map of {topic} in {request.truth} shows an object')
    return truth, topic


def _first_shown(known: Observations) -> int:
    """Stamp of the first label map with an object."""
    for stamp, labels in maps(known):
        if labels.any():
            return stamp
    raise SourceError('no label map of the results shows an object: nothing was prompted')


def _position_errors(aligned: Aligned, numbers: Sequence[int]) -> dict[int, Distribution]:
    errors = {
        known: Distribution.of(aligned.position_error(number, known) for number in numbers)
        for known in aligned.objects
    }
    return {known: found for known, found in errors.items() if found is not None}


def _generation(reader: BagReader, tracks: str, wanted: int | None, notes: list[str]) -> int | None:
    """The generation to score: the last with targets."""
    recorded = [one for frame in read_tracks(reader, tracks).values() for one in frame]
    recorded.sort(key=lambda one: one.received)
    # in the order in which they ended: a node that is started anew does not count on
    found = list(dict.fromkeys(one.generation for one in reversed(recorded) if one.objects))[::-1]
    if wanted is not None and wanted not in found:
        raise SourceError(
            f'generation {wanted} has no targets in {reader.path}; those that have are: '
            f'{", ".join(map(str, found)) or "none"}'
        )
    if not found:
        raise SourceError(
            f'no message of {tracks} in {reader.path} lists an object: the tracker was not prompted'
        )
    chosen = found[-1] if wanted is None else wanted
    left_out = sum(bool(one.objects) and one.generation != chosen for one in recorded)
    if left_out:
        notes.append(f'{left_out} results of other generations than {chosen} were left out')
    return chosen


def _camera(
    request: Request, others: Sequence[str], notes: list[str]
) -> tuple[str, list[int], dict[int, int]]:
    """The camera's topic ('' if there is none), its stamps, and when they came to the recorder."""
    for bag in request.bags:
        with BagReader(bag) as reader:
            topic = find_camera(reader, request.image, others)
            if topic:
                arrived = arrivals(reader, topic)
                return topic, list(arrived), arrived if bag == request.recorded else {}
            if request.image and bag == request.bags[-1]:
                reader.count(request.image)  # names what is there
    notes.append('no topic has the stamps of the camera: only frames with a truth can be missed')
    return '', [], {}


def _accuracy(request: Request, aligned: Aligned) -> SequenceScore:
    name = request.name or bag_name(request.bags[-1])
    results = aligned.timeline.results
    if request.truth is None:
        height, width = aligned.found(next(iter(results))).shape
        observed = aligned.results
        return SequenceScore(
            name, (height, width), len(observed.stamps), (), skipped=(*observed.skipped,)
        )
    scorer = Scorer(name, aligned.objects, aligned.begins)
    sizes = []
    for number in sorted(aligned.timeline.truth):
        known = aligned.known(number)
        if number in results:
            found = aligned.found(number)
            if found.shape != known.shape:
                sizes.append(
                    f'frame {number}: the result has {found.shape[1]}x{found.shape[0]} px, the '
                    f'truth {known.shape[1]}x{known.shape[0]}'
                )
                continue
            scorer.add(number, known, found, aligned.said(number))
        elif request.count_dropped:
            scorer.add(number, known, np.zeros_like(known), {} if aligned.scored else None)
    if sizes and len(sizes) == len(aligned.timeline.truth.keys() & results.keys()):
        raise SourceError(
            f'{sizes[0]}, and so it is in all frames: label the images that the tracker gets'
        )
    skipped = (*aligned.truth.skipped, *aligned.results.skipped, *sizes)
    return scorer.score(frames=len(aligned.results.stamps), skipped=skipped)
