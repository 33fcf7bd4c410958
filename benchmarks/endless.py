"""Whether memory stays flat over an endless stream whose targets leave and come back all the time.

    python benchmarks/endless.py --frames 100000

A video of the set `long` (three targets, two of them identical, out of sight for 2 to 20 s at a
time), at a small size so that many frames go through; its first frames are shown over and over,
under stamps that go on. The tracker runs as by default, live masks and all.
"""

from __future__ import annotations

import argparse
import itertools
from collections import Counter
from time import perf_counter

from drift_ros import synthetic
from drift_ros.environment import machine
from drift_ros.evaluation.methods.ours import CAMERA, GivenMasks
from drift_ros.evaluation.running.memory import resident_memory
from drift_ros.features import create
from drift_ros.prompts.prompt import Prompt
from drift_ros.settings import TrackerSettings, build
from drift_ros.structures import Frame, TargetState, TrackingResult
from drift_ros.synthetic.ground_truth import stamp
from drift_ros.tracking import Tracker

MARKS = (100, 1000, *range(10_000, 1_000_001, 10_000))  # frames at which memory is said


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--frames', type=int, default=100_000)
    parser.add_argument('--repeated', type=int, default=3000, help='frames of the video')
    parser.add_argument('--size', type=int, nargs=2, default=(64, 48), help='width, height in px')
    parser.add_argument('--features', default='embedded')
    options = parser.parse_args()
    width, height = options.size
    scene = synthetic.SceneSettings(width=width, height=height, frames=options.repeated, rate=12)
    (video, *_) = synthetic.create_set('long', scene, 'val')
    images = [video.render(index).image for index in range(options.repeated)]
    truth = video.render(0).labels
    chosen = {'features.name': options.features, 'features.resolution': min(options.size)}
    settings = build(TrackerSettings, {**chosen, 'features.device': 'cpu'})
    tracker = Tracker(create(settings.features), GivenMasks(), settings)
    prompts = [Prompt(id=i, mask=truth == i) for i in (1, 2, 3) if (truth == i).any()]
    states: Counter[TargetState] = Counter()
    returns, before = 0, dict.fromkeys((1, 2, 3), TargetState.VISIBLE)
    started = perf_counter()
    print(f'{len(prompts)} targets; frames, MiB, ms per frame, states so far, times found again')
    for index, image in zip(range(options.frames), itertools.cycle(images), strict=False):
        frame = Frame(image, stamp(index, scene.rate), CAMERA, index)
        for result in tracker.step(frame, [] if index else prompts):
            assert isinstance(result, TrackingResult), result
            for obj in result.objects:
                states[obj.state] += 1
                returns += obj.visible and before[obj.id] == TargetState.LOST
                before[obj.id] = obj.state
        if index + 1 in (*MARKS, options.frames):
            said = ', '.join(f'{state.name.lower()} {states[state]}' for state in TargetState)
            milliseconds = 1000 * (perf_counter() - started) / (index + 1)
            memory = (resident_memory() or 0) / 2**20
            print(f'{index + 1}, {memory:.1f}, {milliseconds:.1f}, {said}, {returns}', flush=True)
    print(', '.join(f'{key}: {value}' for key, value in machine().items()))


if __name__ == '__main__':
    main()
