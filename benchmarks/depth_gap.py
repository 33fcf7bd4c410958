"""What `depth.gap` does to positions and boxes, on rendered video with depth.

    python benchmarks/depth_gap.py --gap 0 0.01 0.02 0.04 0.08

Objects are prompted by their true masks and tracked; depth has noise. A position is held against
that of the true mask's points, and so is the size in depth of the box around them.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from drift_ros import features, synthetic
from drift_ros.environment import machine
from drift_ros.evaluation.methods.ours import GivenMasks
from drift_ros.node_settings import DepthSettings
from drift_ros.prompts.prompt import Prompt
from drift_ros.ros import geometry
from drift_ros.settings import TrackerSettings, build
from drift_ros.structures import Frame
from drift_ros.synthetic import SyntheticFrame, Video
from drift_ros.tracking import Tracker

SCENES = ('passing', 'crossing')
SETS = (('kubric-similar', 0), ('kubric-similar', 1), ('similar-3', 0), ('similar-3', 2))
FRAMES = 36
NOISE = 0.002  # of the depth of a pixel, in parts of it
SEEN = 50  # px of an object that count


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--features', default='embedded')
    parser.add_argument('--gap', type=float, nargs='+', default=[0.0, DepthSettings().gap])
    options = parser.parse_args()
    given = {'features.name': options.features, 'features.device': 'cpu'}
    settings = build(TrackerSettings, given)
    print(machine(), '\n')
    print(
        '| video | gap | targets in frames | position off, cm: median, 95 % | box too deep or flat'
    )
    for video in _videos():
        found = [_errors(*seen, options.gap) for seen in _seen(video, settings)]
        for gap, (off, deep) in zip(options.gap, np.moveaxis(np.array(found), 0, 2), strict=True):
            off, deep = np.percentile(100 * off, (50, 95)), np.percentile(100 * deep, (50, 95))
            row = f'{off[0]:.1f}, {off[1]:.1f} | {deep[0]:.1f}, {deep[1]:.1f}'
            print(f'| {video.name} | {gap} | {len(found)} | {row} |', flush=True)


def _videos() -> Iterator[Video]:
    for scene in SCENES:
        yield synthetic.create(scene, synthetic.defaults(scene))
    for name, number in SETS:
        yield synthetic.create_set(name, split='val')[number]


def _seen(
    video: Video, settings: TrackerSettings
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Points of the mask and of the truth, of each object in each frame where both are known."""
    camera = video.camera
    intrinsics = geometry.Intrinsics(
        camera.focal, camera.focal, *camera.centre, (camera.height, camera.width)
    )
    tracker = Tracker(features.create(settings.features), GivenMasks(), settings)
    noise = np.random.default_rng(0)
    frames: dict[int, SyntheticFrame] = {}
    for number in range(min(FRAMES, len(video))):
        frame = video.render(number)
        frames[frame.stamp] = frame
        results = tracker.step(Frame(frame.image, frame.stamp))
        if not number:
            objects = [obj for obj in frame.objects if obj.area >= SEEN]
            prompts = [Prompt(id=obj.id, mask=frame.labels == obj.id) for obj in objects]
            tracker.set_targets(prompts, frame.stamp)
            continue
        for result in results:
            frame = frames.pop(result.frame.stamp)
            depth = frame.depth * (1 + noise.normal(0, NOISE, frame.depth.shape))
            for obj in result.objects:
                true = frame.labels == obj.id
                if obj.visible and true.sum() >= SEEN:
                    mask = result.labels == obj.id
                    yield (
                        geometry.points(mask, np.asarray(depth, np.float32), intrinsics),
                        geometry.points(true, frame.depth, intrinsics),
                    )


def _errors(
    found: NDArray[np.float64], true: NDArray[np.float64], gaps: list[float]
) -> list[tuple[float, float]]:
    """By gap: distance of the positions, and difference of the boxes in depth, in m."""
    errors = []
    for gap in gaps:
        near = geometry.nearby(found, gap)
        off = np.linalg.norm(np.median(near, 0) - np.median(true, 0))
        deep = abs(geometry.box(near)[1][2] - geometry.box(true)[1][2])
        errors.append((float(off), float(deep)))
    return errors


if __name__ == '__main__':
    main()
