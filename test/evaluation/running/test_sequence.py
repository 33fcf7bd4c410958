"""One sequence through a method."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from davis_folders import (
    annotation_file,
    davis_folder,
    image_file,
    labels_at,
    save_annotation,
    save_image,
    youtube_folder,
)
from label_maps import shifted
from PIL import Image

from drift_ros.errors import DriftError, SourceError
from drift_ros.evaluation.datasets import Selection, open_dataset
from drift_ros.evaluation.metrics import jaccard
from drift_ros.evaluation.protocols import AnnotatedSequence, Labels
from drift_ros.evaluation.running import Task, run_sequence, run_task
from drift_ros.evaluation.scores import Refusal, read_score


class Oracle:
    """Gives the truth, shifted to the right; holds labels back for some frames."""

    name = 'oracle'

    def __init__(self, sequence: AnnotatedSequence, right: int = 0, held: int = 0) -> None:
        self.settings: Mapping[str, object] = {}
        self.sequence, self.right, self.held = sequence, right, held
        self.given: dict[int, list[int]] = {}
        self.waiting: list[tuple[int, Labels]] = []

    def begin(self) -> None:
        self.waiting = []

    def step(self, index, stamp, image, given) -> Sequence[tuple[int, Labels]]:
        assert image.dtype == np.uint8 and stamp == self.sequence.stamps[index]
        if given:
            self.given[index] = list(given)
        labels = np.zeros(image.shape[:2], np.uint8)
        if index in self.sequence.scored or index in self.sequence.given:
            labels = shifted(self.sequence.truth(index), 0, self.right)
        self.waiting.append((index, labels))
        ready = self.waiting if len(self.waiting) > self.held else []
        self.waiting = self.waiting if not ready else []
        return ready

    def end(self) -> Sequence[tuple[int, Labels]]:
        return self.waiting


def boxes(tmp_path: Path, **options) -> AnnotatedSequence:
    root = davis_folder(tmp_path / 'data', ['boxes'], **options)
    return open_dataset('davis', root).usable[0]


@pytest.mark.parametrize('held', [0, 3, 99])
def test_the_truth_scores_one_and_everything_is_written(tmp_path, held):
    sequence = boxes(tmp_path)
    calls = []
    score = run_sequence(
        sequence,
        Oracle(sequence, held=held),
        tmp_path / 'out',
        on_frame=lambda done, count: calls.append((done, count)),
    )
    assert calls == [(i, 6) for i in range(1, 7)]
    assert [obj.frames for obj in score.objects] == [(1, 2, 3, 4)] * 2
    assert all(set(obj.j) == set(obj.f) == {1.0} for obj in score.objects)
    assert [obj.follower for obj in score.objects] == [(1,) * 4, (2,) * 4]
    assert score.frames == 6 and score.size == (48, 64)
    assert score.seconds is not None and score.seconds > 0
    assert score.memory is not None and score.memory > 10 * 2**20
    files = sorted(f.name for f in (tmp_path / 'out' / 'labels').iterdir())
    assert files == [f'{i:05d}.png' for i in range(6)]
    with Image.open(tmp_path / 'out' / 'labels' / '00003.png') as picture:
        assert picture.mode == 'P'
        np.testing.assert_array_equal(np.asarray(picture), labels_at(3))
    assert (tmp_path / 'out' / 'overlay.mp4').stat().st_size > 500
    with Image.open(tmp_path / 'out' / 'sheet.png') as sheet:
        assert sheet.width > 4 * 320  # four tiles beside each other


def test_a_shift_costs_the_computed_value(tmp_path):
    sequence = boxes(tmp_path)
    score = run_sequence(sequence, Oracle(sequence, right=4), tmp_path / 'out', pictures=False)
    assert score.objects[0].j == pytest.approx([8 / 16] * 4)  # 12 px wide, moved by 4
    expected = jaccard(labels_at(2) == 2, shifted(labels_at(2), 0, 4) == 2)
    assert score.objects[1].j[1] == expected == 0.5
    assert not (tmp_path / 'out' / 'overlay.mp4').exists()


def test_objects_that_appear_later_are_given_and_scored_from_then_on(tmp_path):
    (sequence,) = open_dataset('youtube-vos', youtube_folder(tmp_path / 'data')).usable
    oracle = Oracle(sequence)
    score = run_sequence(sequence, oracle, tmp_path / 'out', pictures=False)
    assert oracle.given == {0: [1], 5: [2]}
    assert [obj.frames for obj in score.objects] == [(5, 10, 15), (10, 15)]


def test_what_an_earlier_run_left_is_removed(tmp_path):
    stale = tmp_path / 'out' / 'labels' / '99999.png'
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b'old')
    sequence = boxes(tmp_path)
    run_sequence(sequence, Oracle(sequence), tmp_path / 'out', pictures=False)
    assert not stale.exists()


class Forgets(Oracle):
    def end(self) -> Sequence[tuple[int, Labels]]:
        return []


class Repeats(Oracle):
    def step(self, index, stamp, image, given) -> Sequence[tuple[int, Labels]]:
        return [*super().step(index, stamp, image, given)] * 2


class Shrinks(Oracle):
    def step(self, index, stamp, image, given) -> Sequence[tuple[int, Labels]]:
        return [(i, labels[1:]) for i, labels in super().step(index, stamp, image, given)]


@pytest.mark.parametrize(
    ('kind', 'message'),
    [
        (Forgets, 'oracle gave labels of 0 of 6 frames'),
        (Repeats, 'gave the labels of frame 0 where those of frame 1 were due'),
        (Shrinks, 'frame 1: the result is 64x47 px and the truth 64x48'),
    ],
)
def test_a_method_that_breaks_its_contract_is_named(tmp_path, kind, message):
    sequence = boxes(tmp_path)
    method = kind(sequence, held=99 if kind is Forgets else 0)
    with pytest.raises(DriftError, match=message):
        run_sequence(sequence, method, tmp_path / 'out', pictures=False)


def test_sizes_that_differ_are_refused(tmp_path):
    sequence = boxes(tmp_path)
    root = tmp_path / 'data'
    save_annotation(annotation_file(root, 'boxes', 2), np.ones((24, 64), np.uint8))
    with pytest.raises(SourceError, match=r'00002 .*64x24'):
        run_sequence(sequence, FromSteps(), tmp_path / 'out', pictures=False)
    save_image(image_file(root, 'boxes', 1), np.zeros((48, 32, 3), np.uint8))
    with pytest.raises(SourceError, match=r'00001 .*32x48'):
        run_sequence(sequence, FromSteps(), tmp_path / 'out', pictures=False)


class FromSteps:
    """Nothing but background."""

    name = 'nothing'
    settings: Mapping[str, object] = {}

    def begin(self) -> None: ...

    def step(self, index, stamp, image, given) -> Sequence[tuple[int, Labels]]:
        return [(index, np.zeros(image.shape[:2], np.uint8))]

    def end(self) -> Sequence[tuple[int, Labels]]:
        return []


class Raises(FromSteps):
    def step(self, index, stamp, image, given) -> Sequence[tuple[int, Labels]]:
        raise RuntimeError('out of\nluck')


def test_a_task_leaves_its_score_or_its_refusal(tmp_path):
    sequence = boxes(tmp_path)
    task = Task(sequence, tmp_path / 'out', pictures=False)
    found = run_task(task, FromSteps())
    assert read_score(task.folder / 'score.json') == found
    assert not isinstance(found, Refusal) and found.objects[0].j == (0, 0, 0, 0)
    refused = run_task(task, Raises())
    assert refused == Refusal('boxes', 'nothing failed: RuntimeError: out of luck')
    assert read_score(task.folder / 'score.json') == refused
    assert json.loads((task.folder / 'score.json').read_text()) == {
        'name': 'boxes',
        'refused': 'nothing failed: RuntimeError: out of luck',
    }


def test_a_torn_score_is_refused(tmp_path):
    (tmp_path / 'score.json').write_text('{"name": "boxes", "obj')
    for place in (tmp_path, tmp_path / 'nowhere'):
        with pytest.raises(SourceError, match=r'score\.json'):
            read_score(place / 'score.json')


def test_a_real_clip(davis, tmp_path):
    chosen = Selection(('dogs-jump',), limit=4)
    (sequence,) = open_dataset('davis', davis / 'test', chosen).usable
    score = run_sequence(sequence, Oracle(sequence), tmp_path, pictures=False)
    assert [obj.j for obj in score.objects] == [(1, 1)] * 3
