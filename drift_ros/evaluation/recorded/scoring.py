"""Scores what a tracker published live, or wrote offline, against the truth in a bag."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from drift_ros.errors import SourceError
from drift_ros.evaluation.datasets.bag import bag_name, read_truth
from drift_ros.evaluation.metrics import Scorer
from drift_ros.evaluation.recorded.matching import by_id, by_overlap, renaming
from drift_ros.evaluation.recorded.timeline import Timeline
from drift_ros.evaluation.recorded.timing import Latency, arrivals, clock_problem, latency
from drift_ros.evaluation.recorded.topics import find_camera, find_results, overlay_beside
from drift_ros.evaluation.types import Labels, SequenceScore
from drift_ros.io.bags import BagReader
from drift_ros.io.observations import Observations
from drift_ros.io.recorded import observations, read_tracks
from drift_ros.io.stamps import no_pairs

Matching = Literal['id', 'overlap']


@dataclass(frozen=True)
class Request:
    """What is to be scored against what.

    Attributes:
        recorded: bag with the results.
        truth: bag with the true label maps; may be the same.
        labels, tracks: topics of the results; None: the only ones.
        truth_labels: topic of the truth; None: the only one.
        image: topic of the camera's images or camera_info, in either bag; None: the only one.
        tolerance: within which stamps are of one frame, in s.
        match: whether ids of results are those of the truth, or are matched by place.
        generation: that is scored; None: the last that has targets.
        count_dropped: whether a frame without a result is scored as one with an empty result.
    """

    recorded: Path
    truth: Path
    labels: str | None = None
    tracks: str | None = None
    truth_labels: str | None = None
    image: str | None = None
    tolerance: float = 0.0
    match: Matching = 'id'
    generation: int | None = None
    count_dropped: bool = False


@dataclass(frozen=True)
class LiveScore:
    """How a live run did.

    Attributes:
        score: accuracy, as of any evaluated sequence.
        topics: role -> topic that was read; '' where there is none.
        generation: that was scored; None if the results do not say theirs.
        matched: id of a result -> id of the truth.
        stamps: of the frames after the first prompted one, in ns.
        labelled: whether a frame has a result.
        truth: how many of the frames have a truth, and how many of these no result.
        from_stamp: time from an image's stamp to the receipt of its result; None if not known.
        from_arrival: from the receipt of the image, or of its camera_info, by the same recorder.
        notes: what a reader of the numbers has to know.
    """

    score: SequenceScore
    topics: Mapping[str, str]
    generation: int | None
    matched: Mapping[int, int]
    stamps: tuple[int, ...]
    labelled: tuple[bool, ...]
    truth: tuple[int, int]
    from_stamp: Latency | None
    from_arrival: Latency | None
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


@dataclass
class _Run:
    """What was read from the recording."""

    results: Observations
    labels: str
    tracks: str
    camera: str
    generation: int | None
    sent: dict[int, int]  # stamp -> receipt of the camera's message
    notes: list[str]


def score_recording(request: Request) -> LiveScore:
    """Score a recording.

    An object is scored from the frame after the one on which it was first listed (or, without
    tracks, shown): what comes before it was prompted counts for nothing.

    Raises:
        SourceError: a bag or a topic cannot be read, or the two have nothing in common.
    """
    run = _read(request)
    same = request.recorded.resolve() == request.truth.resolve()
    own = (run.labels,) if same and request.truth_labels is None else ()
    truth, topic = read_truth(request.truth, request.truth_labels, '--truth-labels', own)
    if not truth.shown:
        raise SourceError(f'no label map of {topic} in {request.truth} shows an object')
    camera = sorted(run.sent) or _stamps_beside_truth(request, run, topic)
    timeline = Timeline(
        _first_shown(truth), camera, truth.stamps, run.results.stamps, request.tolerance
    )
    common = [number for number in timeline.truth if number in timeline.results]
    if not common:
        raise no_pairs(
            f'{run.labels} of {request.recorded}',
            run.results.stamps,
            f'{topic} of {request.truth}',
            truth.stamps,
            request.tolerance,
        )
    matched = _match(request, run.results, truth, timeline)
    begins = _begins(run.results, matched, timeline)
    score = _score(request, run, truth, timeline, matched, begins)
    first = min(begins)
    numbers = range(first + 1, len(timeline.stamps))
    results = [timeline.results.get(number) for number in numbers]
    shown = [stamp for stamp in results if stamp is not None]
    from_stamp = latency(shown, {stamp: stamp for stamp in shown}, run.results.received)
    problem = clock_problem(from_stamp)
    known = [number for number in timeline.truth if number > first]
    return LiveScore(
        score=score,
        topics={
            'labels': run.labels,
            'tracks': run.tracks,
            'truth': topic,
            'camera': run.camera,
        },
        generation=run.generation,
        matched=matched,
        stamps=tuple(timeline.stamps[first + 1 :]),
        labelled=tuple(stamp is not None for stamp in results),
        truth=(len(known), sum(number not in timeline.results for number in known)),
        from_stamp=None if problem else from_stamp,
        from_arrival=latency(shown, run.sent, run.results.received),
        notes=(*run.notes, *([problem] if problem else []), *_missing(truth, matched)),
    )


def _read(request: Request) -> _Run:
    """Results and times of the recording."""
    named = (request.truth_labels,) if request.truth_labels and not request.labels else ()
    with BagReader(request.recorded) as reader:
        labels, tracks = find_results(reader, request.labels, request.tracks, named)
        notes: list[str] = []
        generation = _generation(reader, tracks, request.generation, notes) if tracks else None
        others = (labels, overlay_beside(labels), request.truth_labels)
        camera = find_camera(reader, request.image, [topic for topic in others if topic])
        sent = arrivals(reader, camera) if camera else {}
    results = observations(request.recorded, labels, tracks, generation)
    return _Run(results, labels, tracks, camera, generation, sent, notes)


def _generation(reader: BagReader, tracks: str, wanted: int | None, notes: list[str]) -> int | None:
    """The generation to score: the last with targets."""
    told = [one for frame in read_tracks(reader, tracks).values() for one in frame]
    found = sorted({one.generation for one in told if one.objects})
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
    left_out = sum(bool(one.objects) and one.generation != chosen for one in told)
    if left_out:
        notes.append(f'{left_out} results of other generations than {chosen} were left out')
    return chosen


def _stamps_beside_truth(request: Request, run: _Run, truth: str) -> list[int]:
    """Stamps of the camera from the truth's bag, where the recording does not have them."""
    with BagReader(request.truth) as reader:
        topic = find_camera(reader, request.image, (truth,))
        if not topic and request.image:
            reader.count(request.image)  # names what is there
        if not topic:
            run.notes.append(
                'no topic has the stamps of the camera: only frames with a truth can be missed'
            )
        run.camera = topic
        return sorted(arrivals(reader, topic)) if topic else []


def _first_shown(truth: Observations) -> int:
    return next(stamp for stamp, labels in _maps(truth) if labels.any())


def _maps(known: Observations) -> Iterator[tuple[int, Labels]]:
    for stamp in known.stamps:
        labels = known.labels(stamp)
        assert labels is not None
        yield stamp, labels


def _common(
    results: Observations, truth: Observations, timeline: Timeline
) -> Iterator[tuple[int, Labels, Labels]]:
    """Number, truth and result of each frame that has both, of one size."""
    for number in sorted(timeline.truth.keys() & timeline.results.keys()):
        known = truth.labels(timeline.truth[number])
        found = results.labels(timeline.results[number])
        assert known is not None
        assert found is not None
        if known.shape == found.shape:
            yield number, known, found


def _match(
    request: Request, results: Observations, truth: Observations, timeline: Timeline
) -> dict[int, int]:
    if request.match == 'id':
        matched = by_id(results.names, truth.shown)
    else:
        matched = by_overlap(
            (known, found) for _, known, found in _common(results, truth, timeline)
        )
    if matched:
        return matched
    if not results.names:
        raise SourceError(
            f'no label map of {request.recorded} shows an object: the tracker was not prompted'
        )
    listed = f'{_listed(results.names)} in the results, {_listed(truth.names)} in the truth'
    if request.match == 'id':
        raise SourceError(f'no id is in both: {listed}; --match overlap matches them by place')
    raise SourceError(f'no result overlaps an object where both are first seen: {listed}')


def _begins(
    results: Observations, matched: Mapping[int, int], timeline: Timeline
) -> dict[int, list[int]]:
    """Number of the frame on which objects were first listed or shown -> their true ids."""
    first: dict[int, int] = {}
    for stamp in sorted(results.objects):
        for id_ in results.objects[stamp]:
            first.setdefault(id_, stamp)
    if not first.keys() >= matched.keys():
        for stamp, labels in _maps(results):
            for id_ in np.unique(labels).tolist():
                first.setdefault(id_, stamp)
    begins: dict[int, list[int]] = {}
    for id_, known in matched.items():
        begins.setdefault(timeline.number(first[id_]), []).append(known)
    return begins


def _score(
    request: Request,
    run: _Run,
    truth: Observations,
    timeline: Timeline,
    matched: Mapping[int, int],
    begins: Mapping[int, list[int]],
) -> SequenceScore:
    names = {known: truth.names[known] or run.results.names[id_] for id_, known in matched.items()}
    scorer = Scorer(bag_name(request.recorded), names, begins)
    table = renaming(matched, run.results.names, truth.shown)
    skipped = [*truth.skipped, *run.results.skipped]
    sizes = []
    for number in sorted(timeline.truth):
        known = truth.labels(timeline.truth[number])
        assert known is not None
        if number in timeline.results:
            found = run.results.labels(timeline.results[number])
            assert found is not None
            if found.shape != known.shape:
                sizes.append(
                    f'frame {number}: the result has {found.shape[1]}x{found.shape[0]} px, the '
                    f'truth {known.shape[1]}x{known.shape[0]}'
                )
                continue
            scorer.add(number, known, table[found])
        elif request.count_dropped:
            scorer.add(number, known, np.zeros_like(known))
    if sizes and len(sizes) == len(timeline.truth.keys() & timeline.results.keys()):
        raise SourceError(
            f'{sizes[0]}, and so it is in all frames: label the images that the tracker gets'
        )
    return scorer.score(frames=len(run.results.stamps), skipped=[*skipped, *sizes])


def _missing(truth: Observations, matched: Mapping[int, int]) -> list[str]:
    left = {id_: truth.names[id_] for id_ in truth.shown if id_ not in matched.values()}
    return [f'objects that were never prompted are left out: {_listed(left)}'] if left else []


def _listed(names: Mapping[int, str]) -> str:
    return ', '.join(f'{id_} {name}'.strip() for id_, name in sorted(names.items())) or 'none'
