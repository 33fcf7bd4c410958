"""Everything that docs/results.md says about points: its tables by one command.

    python benchmarks/points.py OUT [--davis ../shared/data/davis/test] [--only TABLE ...]

- `rendered`: every method that runs here on `rendered-points`, the split test;
- `long`: the same on videos of 96 frames;
- `steps`: what each part of the tracker brings, on the split val;
- `clips`: points on the objects of real clips, which have no true tracks: whether they stay in the
  mask of their object, and whether the way back through the clip ends where it began;
- `cost`: processor time of a frame with two masks, without points and with some, in turns.

Every row leaves a folder or a file in OUT; what is done is not done again. The tables are printed
and written to OUT/points.md.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from time import process_time
from typing import Any
from zlib import crc32

import numpy as np
import torch
from numpy.typing import NDArray

from drift_ros.cli.evaluate_points import FLOW, STILL, choose_method
from drift_ros.cli.options import tracker_settings
from drift_ros.descriptors import Descriptors
from drift_ros.environment import machine
from drift_ros.evaluation.datasets import open_dataset
from drift_ros.evaluation.points import rendered, run
from drift_ros.evaluation.points.clips import PointClip
from drift_ros.evaluation.points.methods import PERIOD, Ours, PointMethod
from drift_ros.evaluation.points.metrics import THRESHOLDS
from drift_ros.evaluation.points.unlabelled import measure
from drift_ros.features import FeatureExtractor, Window, create
from drift_ros.points import PointTracker
from drift_ros.prompts import create_segmenter
from drift_ros.prompts.prompt import Prompt
from drift_ros.runs.atomic import make_folder, write_text
from drift_ros.structures import FailedFrames, Frame
from drift_ros.synthetic import SceneSettings
from drift_ros.synthetic import create as create_scene
from drift_ros.tracking import Tracker

METHODS = (STILL, FLOW, 'patch', 'embedded', 'embedded-image', 'embedded-attention')
DECIDED = {'points.decision=rules': 'by rules', 'points.decision=learned': 'learned'}
RELEASED = {
    'readout': 'field',
    'half_cell': 'false',
    'visibility': 'always',
    'motion': 'none',
    'registration': 'false',
    'refresh': '0',
    'search': '0',
}
STEPS: dict[str, dict[str, str]] = {  # settings of `points`
    'as DiffTrack reads points, one direction': RELEASED,
    '`readout: hard`': RELEASED | {'readout': 'hard'},
    '`half_cell: true`': RELEASED | {'readout': 'hard', 'half_cell': 'true'},
    '`readout: soft`': RELEASED | {'readout': 'soft', 'half_cell': 'true'},
    '`visibility: cycle`': {
        'motion': 'none',
        'registration': 'false',
        'refresh': '0',
        'search': '0',
    },
    '`motion: flow`, `refresh` and `search`': {'motion': 'flow', 'registration': 'false'},
    '`registration`': {'motion': 'flow'},
    '`motion: layers`: the default': {},
    'the default, `decision: rules`': {'decision': 'rules'},
    'the default, `decision: learned`': {'decision': 'learned'},
    'the default without registration': {'registration': 'false'},
    'the default without motion': {'motion': 'none'},
    'the default without refresh': {'refresh': '0'},
    'the default, whole frame searched': {'search': '0'},
    'the default, best cell': {'readout': 'hard'},
    'the default, all visible': {'visibility': 'always'},
    'the default, flow at full size': {'flow_side': '480'},
    'the default, both directions': {'directions': 'both'},
    'as DiffTrack reads points, both directions': RELEASED | {'directions': 'both'},
}
COLUMNS = ('AJ', 'delta', 'OA', *(f'delta{t}' for t in THRESHOLDS))
SEEN = ('seen', 'inside', 'returned', 'error')
SCENE, FRAMES, WARM = 'passing', 18, 3  # frames that are not counted
COUNTS = (0, 200, 1000)

Make = Callable[[], PointMethod]


def main() -> None:
    options = _options()
    make_folder(options.out)
    torch.set_num_threads(options.threads)
    tables = {
        'rendered': lambda: _scored(options.out, rendered.SHORT, 'test', _methods(options)),
        'long': lambda: _scored(options.out, rendered.LONG, 'test', _methods(options)),
        'steps': lambda: _scored(options.out, rendered.SHORT, 'val', _steps(options)),
        'clips': lambda: _clips(options.out, options.davis, _methods(options)),
        'cost': lambda: _cost(options.device),
    }
    if unknown := set(options.only or ()) - tables.keys():
        raise SystemExit(f'no table {", ".join(unknown)}; there are: {", ".join(tables)}')
    parts = [f'### {name}\n\n{tables[name]()}' for name in options.only or tables]
    facts = ', '.join(f'{key}: {value}' for key, value in machine().items())
    page = '\n\n'.join([*parts, f'{facts}\n'])
    write_text(options.out / 'points.md', page)
    print(page)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('out', type=Path)
    parser.add_argument('--davis', type=Path, default=Path('../shared/data/davis/test'))
    parser.add_argument('--only', action='append', metavar='TABLE', help='may be repeated')
    parser.add_argument(
        '--row', action='append', metavar='NAME', help='of the tables, in place of all'
    )
    parser.add_argument('--device', default='auto')
    parser.add_argument('--threads', type=int, default=1)
    return parser.parse_args()


def _methods(options: argparse.Namespace) -> dict[str, Make]:
    rows = {name: (name, ()) for name in METHODS} | {
        f'{name}, {how}': (name, (given,))
        for name in ('patch', 'embedded')
        for given, how in DECIDED.items()
    }
    return {
        row: partial(choose_method, name, None, options.device, given)
        for row, (name, given) in rows.items()
        if row in (options.row or rows)
    }


def _steps(options: argparse.Namespace) -> dict[str, Make]:
    """The embedded model, which describes every frame once for all rows."""
    extractor: list[FeatureExtractor] = []

    def make(points: Mapping[str, str]) -> PointMethod:
        given = [f'points.{name}={value}' for name, value in points.items()]
        settings = tracker_settings(None, 'embedded', options.device, given)
        if not extractor:
            extractor.append(Remembering(create(settings.features)))
        return Ours(settings, extractor[0])

    chosen = options.row or STEPS
    return {name: partial(make, points) for name, points in STEPS.items() if name in chosen}


class Remembering(FeatureExtractor):
    """An extractor that takes each frame once, in order, and knows it again when it comes again."""

    def __init__(self, extractor: FeatureExtractor) -> None:
        self.name, self.device, self.dtype = extractor.name, extractor.device, extractor.dtype
        self.window_length, self.streaming = extractor.window_length, extractor.streaming
        self.size_multiple, self.heads = extractor.size_multiple, extractor.heads
        self._of = extractor
        self._session = extractor.session()
        self._known: dict[tuple[int, int], Descriptors] = {}

    def extract(self, window: Window) -> Descriptors:
        """Descriptors of a frame, from the network or from before."""
        (stamp,) = window.stamps
        key = stamp, crc32(window.images.cpu().numpy().tobytes())
        if key not in self._known:
            if stamp == PERIOD:  # of the first frame of a video
                self._session = self._of.session()
            self._known[key] = self._session.extract(window)
        return self._known[key]


def _scored(out: Path, name: str, split: Any, methods: Mapping[str, Make]) -> str:
    """Table of the scores on a rendered set; its videos are rendered once."""
    clips: list[PointClip] = []
    rows = []
    for title, make in methods.items():
        folder = out / f'{name}-{split}' / _folder(title)
        record = _read(folder / run.RESULTS)
        if len(record.get('sequences', ())) < rendered.VIDEOS:
            clips = clips or list(rendered.clips(split, name=name))
            record = run.evaluate(clips, make(), folder)
        rows.append([f'`{title}`', *(f'{100 * record["mean"][c]:.1f}' for c in COLUMNS)])
    heads = ['', 'AJ', 'delta', 'OA', *(f'{t} px' for t in THRESHOLDS)]
    return _table(heads, rows)


def _clips(out: Path, davis: Path, methods: Mapping[str, Make]) -> str:
    """Table of what can be said of real clips: means over their objects."""
    if not davis.is_dir():
        return f'there is no {davis}'
    rows = []
    for title, make in methods.items():
        file = out / 'clips' / f'{_folder(title)}.json'
        found = _read(file)
        method = None
        for name, video, masks in _objects(davis):
            if name not in found:
                method = method or make()
                found[name] = asdict(measure(method, video, masks))
                file.parent.mkdir(parents=True, exist_ok=True)
                write_text(file, json.dumps(found, indent=1))
        values = {key: np.nanmean([each[key] for each in found.values()]) for key in SEEN}
        shares = (f'{100 * values[key]:.1f}' for key in ('inside', 'returned', 'seen'))
        rows.append([f'`{title}`', *shares, f'{values["error"]:.1f}'])
    return _table(['', 'inside, %', 'returned, %', 'visible, %', 'error there and back, px'], rows)


def _objects(davis: Path) -> Iterator[tuple[str, NDArray[np.uint8], NDArray[np.bool_]]]:
    """Every object of every clip: its name, the video and its masks."""
    for sequence in open_dataset('davis', davis).usable:
        numbers = range(len(sequence.frames))
        video = np.stack([sequence.image(i) for i in numbers])
        labels = np.stack([sequence.truth(i) for i in numbers])
        for object_ in sequence.objects:
            yield f'{sequence.name}/{object_}', video, labels == object_


def _cost(device: str) -> str:
    """Table of the time of a frame; every tracker takes a frame before any takes the next."""
    settings = tracker_settings(None, 'embedded', device, ())
    video = list(create_scene(SCENE, SceneSettings(frames=FRAMES)))
    extractor = create(settings.features)
    segmenter = create_segmenter(settings.prompts, extractor.device)
    trackers = {
        (count, how): PointTracker(
            Tracker(extractor, segmenter, tracker_settings(None, 'embedded', device, [given]))
        )
        for count in COUNTS
        for given, how in DECIDED.items()
        if count or how == 'learned'
    }
    seconds: dict[tuple[int, str], list[float]] = {key: [] for key in trackers}
    places = np.random.default_rng(0).uniform([20, 20], [620, 460], (max(COUNTS), 2))
    prompts = [Prompt(id=o.id, mask=video[0].labels == o.id) for o in video[0].objects]
    for frame in video:
        first = frame.index == 0
        for (count, how), tracker in trackers.items():
            shown = Frame(frame.image, frame.stamp, index=frame.index)
            asked = places[:count] if first and count else None
            started = process_time()
            found = tracker.step(shown, asked, prompts * first)
            seconds[count, how].append(process_time() - started)
            if failed := [each for each in found if isinstance(each, FailedFrames)]:
                raise failed[0].error
    medians = {key: float(np.median(each[WARM:])) for key, each in seconds.items()}
    alone = next(time for (count, _), time in medians.items() if not count)
    rows = [
        [str(count), how if count else '', f'{s:.3f}', f'{100 * (s / alone - 1):.0f}']
        for (count, how), s in medians.items()
    ]
    return _table(['points', 'decided', 's per frame', 'more than masks alone, %'], rows)


def _read(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text()) if file.is_file() else {}


def _folder(title: str) -> str:
    return title.replace(', ', '-').replace(' ', '-').replace('`', '').replace('/', '-')


def _table(heads: list[str], rows: Iterable[list[str]]) -> str:
    lines = [heads, ['---'] * len(heads), *rows]
    return '\n'.join(f'| {" | ".join(line)} |' for line in lines)


if __name__ == '__main__':
    main()
