"""Scores what a tracker published live, or wrote offline, against the truth in a bag."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from drift_ros.errors import SourceError
from drift_ros.evaluation.datasets.bag import bag_name, read_truth
from drift_ros.evaluation.metrics import Scorer
from drift_ros.evaluation.recorded.aligned import Aligned, Matching, align, listed, maps
from drift_ros.evaluation.recorded.timeline import Timeline
from drift_ros.evaluation.recorded.timing import Latency, arrivals, clock_problem, latency
from drift_ros.evaluation.recorded.topics import find_camera, find_results, overlay_beside
from drift_ros.evaluation.types import SequenceScore
from drift_ros.io.bags import BagReader
from drift_ros.io.observations import Observations
from drift_ros.io.recorded import observations, read_tracks
from drift_ros.io.stamps import no_pairs


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
        score: accuracy, as of any evaluated sequence, under the name of the truth's bag.
        aligned: what was compared.
        topics: role -> topic that was read; '' where there is none.
        generation: that was scored; None if the results do not say theirs.
        stamps: of the frames after the first prompted one, in ns.
        labelled: whether a frame has a result.
        truth: how many of the frames have a truth, and how many of these no result.
        from_stamp: time from an image's stamp to the receipt of its result; None if not known.
        from_arrival: from the receipt of the image, or of its camera_info, by the same recorder.
        notes: what a reader of the numbers has to know.
    """

    score: SequenceScore
    aligned: Aligned
    topics: Mapping[str, str]
    generation: int | None
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
    aligned = align(run.results, truth, timeline, request.match)
    first = min(aligned.begins)
    numbers = range(first + 1, len(timeline.stamps))
    results = [timeline.results.get(number) for number in numbers]
    shown = [stamp for stamp in results if stamp is not None]
    from_stamp = latency(shown, {stamp: stamp for stamp in shown}, run.results.received)
    problem = clock_problem(from_stamp)
    known = [number for number in timeline.truth if number > first]
    notes = [*run.notes, *([problem] if problem else [])]
    if aligned.left_out:
        notes.append(f'objects that were never prompted are left out: {listed(aligned.left_out)}')
    return LiveScore(
        score=_accuracy(request, aligned),
        aligned=aligned,
        topics={
            'labels': run.labels,
            'tracks': run.tracks,
            'truth': topic,
            'camera': run.camera,
        },
        generation=run.generation,
        stamps=tuple(timeline.stamps[first + 1 :]),
        labelled=tuple(stamp is not None for stamp in results),
        truth=(len(known), sum(number not in timeline.results for number in known)),
        from_stamp=None if problem else from_stamp,
        from_arrival=latency(shown, run.sent, run.results.received),
        notes=tuple(notes),
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
    return next(stamp for stamp, labels in maps(truth) if labels.any())


def _accuracy(request: Request, aligned: Aligned) -> SequenceScore:
    scorer = Scorer(bag_name(request.truth), aligned.objects, aligned.begins)
    results = aligned.timeline.results
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
            scorer.add(number, known, found)
        elif request.count_dropped:
            scorer.add(number, known, np.zeros_like(known))
    if sizes and len(sizes) == len(aligned.timeline.truth.keys() & results.keys()):
        raise SourceError(
            f'{sizes[0]}, and so it is in all frames: label the images that the tracker gets'
        )
    skipped = (*aligned.truth.skipped, *aligned.results.skipped, *sizes)
    return scorer.score(frames=len(aligned.results.stamps), skipped=skipped)
