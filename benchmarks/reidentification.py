"""Which of the places that are found is a target that comes back: limits of size, on many videos.

    python benchmarks/reidentification.py OUT --videos 0 100  # watch the tracker, one by one
    python benchmarks/reidentification.py OUT  # the table of what is there

Videos are made like those of the set `comes-back`, of the split `train`; in every other eight of
them the target is the farther one of two, not the nearer one. The tracker is watched: which places
are found while a target is missing, and how far each covers it. It may take none of them before the
target was in sight for 8 frames, so that every limit can be tried on what was seen until then.

An absence is found if the first place that is taken is the target (IoU of 0.5), at most 5 frames
after it is back; wrong if it is something else (IoU below 0.1).
"""

from __future__ import annotations

import argparse
import json
import math
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from drift_ros import features
from drift_ros.evaluation.methods.ours import GivenMasks, Ours, TrackerMethod
from drift_ros.evaluation.metrics.absences import BACK, WITHIN, absences
from drift_ros.settings import TrackerSettings, build
from drift_ros.synthetic.scenes.absences import comes_back
from drift_ros.synthetic.scenes.sets import RECIPES, SETS, VideoSet
from drift_ros.synthetic.seeds import Seed
from drift_ros.tracking import Tracker
from drift_ros.tracking.reacquisition import Reacquisition, _Sought
from drift_ros.tracking.recognition import Place
from drift_ros.tracking.suspects import CLEARLY, UNSURE, Suspect, follow

NAME = 'embedded-image'
IN_SIGHT = 8  # frames after which the target is told
RIGHT, WRONG = 0.5, 0.1  # IoU with the target
CHANGES = (1.05, 1.1, 1.15, 1.22, 1.3, 1.5, 2.0)  # of the area, at most
Seen = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('out', type=Path)
    parser.add_argument('--videos', type=int, nargs=2, metavar=('FIRST', 'LAST'), default=(0, 0))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for number in range(*options.videos):
        file = options.out / f'{number:04d}.json'
        if not file.exists():
            file.write_text(json.dumps(watch(number)), encoding='utf-8')
            print(f'{file.name} of {options.videos[1] - 1:04d}', flush=True)
    files = sorted(options.out.glob('*.json'))
    every = [away for file in files for away in json.loads(file.read_text(encoding='utf-8'))]
    if not every:
        parser.error(f'no videos in {options.out}: give --videos')
    print(f'{len(files)} videos, {len(every)} absences\n')
    print('| targets.max_size_change | found | wrong |\n|---|---|---|')
    for change in CHANGES:
        ends = [outcome(away, math.log(change) / 2) for away in every]
        right, wrong = (sum(end is what for end in ends) for what in (True, False))
        print(
            f'| {change} | {right} ({right / len(ends):.0%}) | {wrong} ({wrong / len(ends):.0%}) |'
        )
    could = sum(any(seen['overlap'] >= RIGHT for seen in away['seen']) for away in every)
    print(f'| always the right place, if there is one | {could} ({could / len(every):.0%}) | 0 |')


def watch(number: int) -> list[Seen]:
    """The absences of a video, each with the places that were seen until 5 frames after it."""
    made = VideoSet('comes-back').random_settings()
    seed = Seed('train', (SETS, RECIPES['comes-back'].number, number))
    world = comes_back(f'{number}', made, seed, number, farther=bool(number // 8 % 2))
    frames = [(frame.image, frame.labels) for frame in map(world.render, range(len(world)))]
    truths = np.stack([labels for _, labels in frames])
    areas = {int(t): (truths == t).sum((1, 2)) for t in np.unique(truths) if t}
    usual = {target: np.median(area[area > 0]) for target, area in areas.items()}
    settings = build(TrackerSettings, {'features.name': NAME, 'window.length': 1})
    extractor = features.create(settings.features)
    method = TrackerMethod(Tracker(extractor, GivenMasks(), settings), Ours(settings))
    method.begin()
    watcher = Watcher()
    with watcher:
        for i, (image, truth) in enumerate(frames):
            watcher.truth = truth
            for target, area in areas.items():
                there = area[i] >= BACK * usual[target]
                watcher.in_sight[target] = watcher.in_sight[target] + 1 if there else 0
            given = {t: truth == t for t, area in areas.items() if np.flatnonzero(area)[0] == i}
            method.step(i, round(i / made.rate * 1e9) + 10**9, image, given)
    found = []
    for target, area in areas.items():
        nothing = np.zeros_like(area)
        for away in absences(area, nothing, nothing):
            until = range(away.gone, away.back + WITHIN + 1)
            seen = [each for each in watcher.seen[target] if each['frame'] in until]
            found.append({'target': target, 'back': away.back, 'seen': seen})
    return found


class Watcher:
    """Stands for the choice of `Reacquisition` among places, while it is entered."""

    def __init__(self) -> None:
        self.truth: NDArray[np.uint8] = np.zeros((1, 1), np.uint8)
        self.in_sight: dict[int, int] = defaultdict(int)
        self.seen: dict[int, list[Seen]] = defaultdict(list)
        self._kept = (Reacquisition._near, Reacquisition._anywhere)

    def __enter__(self) -> None:
        watcher = self

        def anywhere(self: Reacquisition, sought: _Sought, places: Sequence[Place]) -> Place | None:
            suspects = follow(self._suspects.get(sought.id, ()), places, sought.number)
            self._suspects[sought.id] = suspects
            return watcher._note(self, sought, suspects[: len(places)])

        Reacquisition._near = lambda *_: None  # type: ignore[method-assign]
        Reacquisition._anywhere = anywhere  # type: ignore[method-assign]

    def __exit__(self, *_: object) -> None:
        Reacquisition._near, Reacquisition._anywhere = self._kept  # type: ignore[method-assign]

    def _note(
        self, searching: Reacquisition, sought: _Sought, suspects: Sequence[Suspect]
    ) -> Place | None:
        """Note the suspects of a frame; the one that is the target, once it may be told."""
        mask = torch.from_numpy((self.truth == sought.id).astype(np.float32))
        best, most = None, RIGHT
        for suspect in suspects:
            place = suspect.place
            grid = tuple(place.label.shape)
            share = functional.interpolate(mask[None, None], grid, mode='area')[0, 0]
            inside = place.label > 0.5
            both, either = inside & (share > 0.5), inside | (share > 0.5)
            overlap = float(both.sum() / either.sum())
            scale = searching._gallery.scale
            known = {
                'frame': sought.number,
                'scale': suspect.scale,
                'error': suspect.error,
                'rivals': [
                    scale(place.middle, rival, sought.image, grid) for rival in sought.rivals
                ],
                'overlap': overlap,
            }
            self.seen[sought.id].append(known)
            if self.in_sight[sought.id] >= IN_SIGHT and overlap >= most:
                best, most = place, overlap
        return best


def outcome(away: Seen, limit: float) -> bool | None:
    """Whether what is taken first is the target, if scales may differ by a limit (log); None if
    nothing is taken. As `suspects.identify` and `Reacquisition` decide it.
    """
    by_frame: dict[int, list[Seen]] = defaultdict(list)
    for seen in away['seen']:
        by_frame[seen['frame']].append(seen)
    for places in by_frame.values():
        fitting = [
            (abs(seen['scale']), seen['overlap'], seen)
            for seen in places
            if seen['error'] <= UNSURE and abs(seen['scale']) <= limit
        ]
        fitting.sort(key=lambda each: each[0])
        if not fitting or (len(fitting) > 1 and fitting[1][0] - fitting[0][0] < CLEARLY):
            continue
        scale, overlap, seen = fitting[0]
        rival = min(map(abs, seen['rivals']), default=math.inf)
        if scale + CLEARLY >= rival:
            continue
        if overlap >= RIGHT or overlap < WRONG:  # else a part of it: the search goes on
            return bool(overlap >= RIGHT)
    return None


if __name__ == '__main__':
    main()
