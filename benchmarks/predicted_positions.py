"""Where occluded targets are said to be in space, against where they are, on rendered video.

    python benchmarks/predicted_positions.py                          # true masks, for choosing
    python benchmarks/predicted_positions.py --features embedded-image --split test

A board is put before the path of each object in turn, nearer than all else: it covers the object
from the edge, hides it for more than a second and uncovers it. Depth has noise. The error of the
predicted position is held against that of the position that was measured last, at some times since
the object was last in sight. Truth is the object's centre, beside which the position lies as it did
when all of the object was last in sight, for a camera measures the near side.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from drift_ros import features, synthetic
from drift_ros.environment import machine
from drift_ros.evaluation.methods.ours import GivenMasks
from drift_ros.node_settings import DepthSettings
from drift_ros.prompts.prompt import Prompt
from drift_ros.ros import geometry
from drift_ros.ros.positions import Measured
from drift_ros.settings import TrackerSettings, build
from drift_ros.structures import Frame, TargetMotion, TrackingResult
from drift_ros.synthetic import Camera, SceneSettings, SyntheticFrame, Video
from drift_ros.tracking import Tracker
from drift_ros.tracking.measure import measure
from drift_ros.tracking.spatial_motion import SpatialMotion
from drift_ros.tracking.states import TargetStates

SETS = ('kubric-similar', 'similar-2', 'similar-3')
SHAPE = SceneSettings(width=640, height=480, frames=96, rate=24, noise=3)
HIDDEN, BEFORE = 1.1, 2.0  # s
TIMES = (0.2, 0.5, 1.0)  # s
BOARD = 0.6  # of the distance of what is nearest
ACTED_ON = 0.5  # score
NOISE = 0.002  # of the depth of a pixel, in parts of it


@dataclass(frozen=True)
class Error:
    """One moment of an object that is hidden.

    Attributes:
        seconds: since it was last in sight.
        last: distance in m of the position that was measured last, of a mask with a score of 0.5.
        predicted: likewise of the predicted one; NaN if there is none.
        deviation: what is said of it, in m: the root of the sum of squares over the axes.
    """

    seconds: float
    last: float
    predicted: float
    deviation: float


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--features', help='extractor of the tracker; else masks are true')
    parser.add_argument('--split', default='val', choices=('val', 'test'))
    parser.add_argument('--sets', nargs='+', default=SETS)
    parser.add_argument('--videos', type=int, default=4, help='of each set')
    parser.add_argument(
        '--acceleration', type=float, nargs='+', default=[DepthSettings().acceleration]
    )
    options = parser.parse_args()
    extractor = None
    if options.features:
        given = {'features.name': options.features, 'features.device': 'cpu'}
        extractor = features.create(build(TrackerSettings, given).features)
    found: dict[float, list[Error]] = defaultdict(list)
    for video, id_ in _videos(options):
        frames, results = _results(video, id_, extractor)
        for acceleration in options.acceleration:
            errors = list(_errors(video.camera, frames, results, id_, acceleration))
            found[acceleration] += errors
        seconds = sum(np.isfinite(error.predicted) for error in errors) / SHAPE.rate
        print(f'{video.name}, object {id_}: predicted for {seconds:.1f} s', flush=True)
    for acceleration, errors in found.items():
        print(f'\nacceleration {acceleration}\n' + '\n'.join(_table(errors)))
    print(', '.join(f'{key}: {value}' for key, value in machine().items()))


def _videos(options: argparse.Namespace) -> Iterator[tuple[Video, int]]:
    """Videos, each with an object that a board shall hide."""
    if options.split == 'test':
        for name in ('crossing', 'passing'):
            video = synthetic.create(name, SHAPE)
            yield from ((video, obj.id) for obj in video.render(0).objects)
    for name in options.sets:
        videos = synthetic.create_set(name, SHAPE, options.split)
        for video in list(videos)[: options.videos]:
            yield from ((video, obj.id) for obj in video.render(0).objects[:2])


def _results(
    video: Video, id_: int, extractor: Any
) -> tuple[list[SyntheticFrame], list[TrackingResult]]:
    frames = _behind_board(list(video), id_)
    if extractor is None:
        states = TargetStates(TrackerSettings().targets, 8)
        return frames, [_by_truth(frame, states) for frame in frames]
    chosen = {'features.name': extractor.name, 'window.length': 1, 'window.stride': 1}
    tracker = Tracker(extractor, GivenMasks(), build(TrackerSettings, chosen))
    results: list[Any] = []
    for frame in frames:
        first = frame.index == 0
        given = [Prompt(id=obj.id, mask=frame.labels == obj.id) for obj in frame.objects]
        shown = Frame(frame.image, frame.stamp, 'camera', frame.index)
        results += tracker.step(shown, given if first else [])
    return frames, results


def _by_truth(frame: SyntheticFrame, states: TargetStates) -> TrackingResult:
    shown = Frame(frame.image, frame.stamp, 'camera', frame.index)
    ids = [obj.id for obj in frame.objects]
    objects = measure(frame.labels, dict.fromkeys(ids, ''), dict.fromkeys(ids, 1.0))
    objects = states.observe(frame.index, shown, objects)
    return TrackingResult(shown, frame.labels, objects, 1)


def _behind_board(frames: Sequence[SyntheticFrame], id_: int) -> list[SyntheticFrame]:
    """The frames with a board that hides an object from `BEFORE` s on."""
    rng = np.random.default_rng(id_)
    first = round(BEFORE * SHAPE.rate)
    hidden = frames[first : first + round(HIDDEN * SHAPE.rate)]
    shape = np.any([frame.labels == id_ for frame in hidden], 0)
    rows, columns = np.flatnonzero(shape.any(1)), np.flatnonzero(shape.any(0))
    board = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    size = shape[board].shape
    paint = rng.integers(60, 180, (size[0] // 8 + 1, size[1] // 8 + 1, 3))
    paint = paint.repeat(8, 0).repeat(8, 1)[: size[0], : size[1]].astype(np.uint8)
    distance = BOARD * min(float(frame.depth.min()) for frame in frames)
    covered = []
    for frame in frames:
        image, labels, depth = frame.image.copy(), frame.labels.copy(), frame.depth.copy()
        image[board], labels[board], depth[board] = paint, 0, distance
        depth *= 1 + NOISE * rng.standard_normal(depth.shape, np.float32)
        depth = np.rint(1000 * depth).astype(np.float32) / 1000
        covered.append(replace(frame, image=image, labels=labels, depth=depth))
    return covered


def _errors(
    camera: Camera,
    frames: Sequence[SyntheticFrame],
    results: Sequence[TrackingResult],
    id_: int,
    acceleration: float,
) -> Iterator[Error]:
    cx, cy = camera.centre
    size = (camera.height, camera.width)
    intrinsics = geometry.Intrinsics(camera.focal, camera.focal, cx, cy, size)
    motion = SpatialMotion(acceleration)
    last, beside, in_sight = None, np.zeros(3), frames[0].stamp
    for frame, result in zip(frames, results, strict=True):
        depth = Measured(result, frame.depth, intrinsics, DepthSettings())
        seen = [(obj.id, depth.measurement(obj)) for obj in result.objects if obj.visible]
        places = {which: place for which, place in seen if place}
        said = motion.observe(result, places).get(id_, TargetMotion())
        (obj,) = (obj for obj in result.objects if obj.id == id_)
        (true,) = (obj for obj in frame.objects if obj.id == id_)
        area = int((frame.labels == id_).sum())
        if id_ in places and obj.score >= ACTED_ON:
            last = np.array(places[id_].position)
            if area == true.full_area:
                beside = last - true.centre
        if area:
            in_sight = frame.stamp
        elif last is not None and true.full_area:
            at = true.centre + beside
            nowhere = (float('nan'),) * 3
            yield Error(
                (frame.stamp - in_sight) / 1e9,
                float(np.linalg.norm(last - at)),
                float(np.linalg.norm((said.predicted_position or nowhere) - at)),
                float(np.linalg.norm(said.predicted_deviation or nowhere)),
            )


def _table(errors: Sequence[Error]) -> Iterator[str]:
    yield (
        '| hidden for, s | objects | predicted | off by, m: median | 90 % | last seen, of the '
        'same, m: median | 90 % | said, median, m | within 2 deviations |'
    )
    yield '|---' * 9 + '|'
    for time in TIMES:
        every = [e for e in errors if abs(e.seconds - time) < 0.5 / SHAPE.rate]
        chosen = [e for e in every if np.isfinite(e.predicted)]
        cells = [f'{time}', f'{len(every)}', f'{len(chosen)}']
        if chosen:
            for values in ([e.predicted for e in chosen], [e.last for e in chosen]):
                cells += [f'{np.median(values):.2f}', f'{np.percentile(values, 90):.2f}']
            cells.append(f'{np.median([e.deviation for e in chosen]):.2f}')
            cells.append(f'{100 * np.mean([e.predicted < 2 * e.deviation for e in chosen]):.0f} %')
        yield '| ' + ' | '.join(cells) + ' |'


if __name__ == '__main__':
    main()
