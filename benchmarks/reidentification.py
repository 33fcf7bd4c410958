"""Which of the places that are found is a target that comes back: rules, on many videos.

    python benchmarks/reidentification.py OUT --videos 0 100  # watch the tracker, one by one
    python benchmarks/reidentification.py OUT  # the table of what is there

Videos are made like those of the set `comes-back`, of the split `train`; in every other eight of
them the target is the farther one of two, not the nearer one. The tracker is watched: which places
are found while a target is missing, and how far each covers it. It may take none of them before the
target was in sight for 8 frames, so that every rule can be tried on what was seen until then.

An absence is found if the first place that a rule takes is the target (IoU of 0.5), at most 5
frames after it is back; wrong if it is something else (IoU below 0.1).
"""

from __future__ import annotations

import argparse
import json
import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from drift_ros import features
from drift_ros.evaluation.methods.ours import GivenMasks, Ours, TrackerMethod
from drift_ros.evaluation.metrics.absences import BACK, WITHIN, absences
from drift_ros.settings import TrackerSettings, build
from drift_ros.synthetic.scenes.absences import comes_back
from drift_ros.synthetic.scenes.sets import RECIPES, SETS, VideoSet
from drift_ros.synthetic.seeds import Seed
from drift_ros.tracking import Tracker
from drift_ros.tracking.anchors import Place
from drift_ros.tracking.appearance import RECOGNIZED, Appearance
from drift_ros.tracking.suspects import CLEARLY, LENGTH, Suspect, change, follow

NAME = 'embedded-image'
IN_SIGHT = 8  # frames after which the target is told
RIGHT, WRONG = 0.5, 0.1  # IoU with the target
MOST = math.log(1.22)
Seen = dict[str, Any]
Rule = Callable[[Seen], float]  # change of size, as |log|


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
    print('| taken is | found | wrong |\n|---|---|---|')
    for title, rule in RULES.items():
        ends = [outcome(away, rule) for away in every]
        right, wrong = (sum(end is what for end in ends) for what in (True, False))
        print(
            f'| {title} | {right} ({right / len(ends):.0%}) | {wrong} ({wrong / len(ends):.0%}) |'
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
    """Stands for the choice of `Appearance` among places, while it is entered."""

    def __init__(self) -> None:
        self.truth: NDArray[np.uint8] = np.zeros((1, 1), np.uint8)
        self.in_sight: dict[int, int] = defaultdict(int)
        self.seen: dict[int, list[Seen]] = defaultdict(list)
        self._kept = (Appearance._near, Appearance._anywhere)

    def __enter__(self) -> None:
        watcher = self

        def anywhere(
            self: Appearance,
            number: int,
            features: Tensor,
            target: int,
            track: Any,
            rivals: Sequence[int],
            places: Sequence[Place],
            label: Tensor,
        ) -> Place | None:
            suspects = follow(self._suspects.get(target, ()), places, number)
            self._suspects[target] = suspects
            return watcher._note(self, number, features, target, suspects[: len(places)])

        Appearance._near = lambda *_: None  # type: ignore[method-assign]
        Appearance._anywhere = anywhere  # type: ignore[method-assign]

    def __exit__(self, *_: object) -> None:
        Appearance._near, Appearance._anywhere = self._kept  # type: ignore[method-assign]

    def _note(
        self,
        appearance: Appearance,
        number: int,
        features: Tensor,
        target: int,
        suspects: Sequence[Suspect],
    ) -> Place | None:
        """Note the suspects of a frame; the one that is the target, once it may be told."""
        mask = torch.from_numpy((self.truth == target).astype(np.float32))
        share = functional.interpolate(mask[None, None], features.shape[1:], mode='area')[0, 0]
        anchors = appearance._anchors(target)
        best, most = None, RIGHT
        for suspect in suspects:
            place = suspect.place
            inside = place.label > 0.5
            both, either = inside & (share > 0.5), inside | (share > 0.5)
            overlap = float(both.sum() / either.sum())
            soft = float(place.label[inside].mean())
            score, _ = appearance._evidence(target, features, place.label, soft)
            known = {
                'frame': number,
                'sizes': suspect.sizes,
                'length': place.length,
                'similarity': place.similarity,
                'whole': place.whole,
                'score': score,
                'areas': [anchor.area for anchor in anchors],
                'lengths': [anchor.length for anchor in anchors],
                'overlap': overlap,
            }
            self.seen[target].append(known)
            if self.in_sight[target] >= IN_SIGHT and overlap >= most:
                best, most = place, overlap
        return best


def outcome(away: Seen, rule: Rule) -> bool | None:
    """Whether what a rule takes first is the target; None if it takes nothing."""
    by_frame: dict[int, list[Seen]] = defaultdict(list)
    for seen in away['seen']:
        by_frame[seen['frame']].append(seen)
    for places in by_frame.values():
        fitting = [
            (seen['similarity'] - rule(seen), seen['overlap'], seen)
            for seen in places
            if seen['sizes'] and rule(seen) <= MOST
        ]
        fitting.sort(key=lambda each: -each[0])
        if not fitting or (len(fitting) > 1 and fitting[0][0] - fitting[1][0] < CLEARLY):
            continue
        _, overlap, seen = fitting[0]
        if not seen['whole'] or seen['score'] < RECOGNIZED:
            continue
        if overlap >= RIGHT or overlap < WRONG:  # else a part of it: the search goes on
            return bool(overlap >= RIGHT)
    return None


def _changed(size: float, seen: Seen) -> float:
    """How far a log of area lies outside of those that the target had."""
    return change(math.exp(size), seen['areas'])


def _stretched(seen: Seen) -> float:
    """Likewise of the length, nearest to one of those: infinite if it is too much."""
    stretched = min(abs(math.log(seen['length'] / each)) for each in seen['lengths'])
    return 0.0 if stretched <= LENGTH * MOST else math.inf


def _largest(seen: Seen) -> float:
    return _changed(max(seen['sizes']), seen)


def _patient(seen: Seen) -> float:
    """The mean of its areas, seen in three frames unless it fits well."""
    changed = _changed(float(np.mean(seen['sizes'])), seen)
    return changed if changed <= MOST / 2 or len(seen['sizes']) >= 3 else math.inf


RULES: dict[str, Rule] = {
    'of the mean area of 3 frames, seen in 3 or within the root': _patient,
    'of the area of this frame': lambda seen: _changed(seen['sizes'][-1], seen),
    'of the largest area of 3 frames': _largest,
    'of the largest area of 3 frames, and of the length: the default': (
        lambda seen: _largest(seen) + _stretched(seen)
    ),
    'of the length alone': _stretched,
}


if __name__ == '__main__':
    main()
