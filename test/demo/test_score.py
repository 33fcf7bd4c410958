"""Scores of hand-made masks, known on paper."""

from __future__ import annotations

import math

import numpy as np
import pytest
from label_maps import strip

from drift_ros.demo.measures import Run, measure, to_json
from drift_ros.demo.score import Scorer
from drift_ros.io.observations import ObjectState, Observations


def test_a_swap_is_two_switches_and_costs_iou():
    scorer = Scorer({1: 'a', 2: 'b'})
    truth = strip(1, 1, 0, 2, 2)
    for stamp, result in enumerate([truth, truth, strip(2, 2, 0, 1, 1), strip(2, 2, 0, 1, 1)]):
        scorer.add(stamp, truth, result)
    assert scorer.switches == 2
    assert [obj.switches for obj in scorer.objects] == [1, 1]
    assert scorer.objects[0].iou == [1, 1, 0, 0]
    assert scorer.objects[0].follower == [1, 1, 2, 2]
    assert scorer.mean_iou == 0.5


def test_an_object_that_is_lost_and_found_by_its_own_id_is_not_switched():
    scorer = Scorer({1: 'a'})
    seen, lost = strip(1, 1, 0), strip(0, 0, 0)
    for stamp, result in enumerate([seen, lost, seen]):
        scorer.add(stamp, seen, result)
    assert scorer.switches == 0
    assert scorer.objects[0].follower == [1, 0, 1]
    assert scorer.objects[0].mean_iou == pytest.approx(2 / 3)


def test_a_hidden_object_counts_as_right_only_without_a_mask():
    scorer = Scorer({1: 'a'})
    scorer.add(0, strip(0, 0, 0), strip(0, 0, 0))
    scorer.add(1, strip(0, 0, 0), strip(0, 1, 0))
    assert scorer.objects[0].iou == [1, 0]
    assert scorer.objects[0].follower == [0, 0]


def test_half_an_overlap_is_followed_and_less_is_not():
    scorer = Scorer({1: 'a', 2: 'b'})
    scorer.add(0, strip(1, 1, 0, 0), strip(2, 0, 0, 0))
    scorer.add(1, strip(1, 1, 1, 0), strip(2, 0, 0, 0))
    assert scorer.objects[0].follower == [2, 0]


def test_worst_frames_are_apart():
    scorer = Scorer({1: 'a'})
    truth = strip(*[1] * 10)
    for stamp in range(12):
        covered = 10 - stamp if stamp < 6 else 10
        scorer.add(stamp, truth, strip(*([1] * covered + [0] * (10 - covered))))
    assert scorer.worst(2) == [5, 1]


def test_without_objects_or_frames_there_are_no_numbers():
    assert math.isnan(Scorer({}).mean_iou)
    assert math.isnan(Scorer({1: 'a'}).mean_iou)
    assert Scorer({1: 'a'}).worst(3) == []


def run(truth: bool = True) -> Run:
    """Four frames, prompted on the second; the third has no result."""
    known, found = Observations(), Observations()
    labels = strip(0, 1, 1, 0)
    for stamp in (10, 20, 30, 40):
        known.add_labels(stamp, labels)
        known.objects[stamp] = {1: ObjectState('ball', 1, True, 2, (1.5, 0), (0, 0, 2))}
    for stamp in (20, 40):
        found.add_labels(stamp, labels if stamp == 20 else strip(0, 1, 0, 0))
        found.objects[stamp] = {1: ObjectState('ball', 0.9, True, 2, (1.5, 0), (0, 0.3, 2.4))}
        found.received[stamp] = stamp * 10**9 + 50_000_000
    sent = {stamp: stamp * 10**9 for stamp in (10, 20, 30, 40)}
    return Run('test', [10, 20, 30, 40], 20, found, known if truth else None, sent, 24.0)


def test_measures_begin_at_the_prompt_and_count_what_is_missing():
    measures = measure(run())
    assert measures.stamps == [20, 30, 40]
    assert measures.labelled == [True, False, True]
    assert measures.dropped == 1
    assert measures.latency == [pytest.approx(0.05), None, pytest.approx(0.05)]
    assert measures.scorer is not None
    assert measures.scorer.stamps == [20, 40]
    assert measures.scorer.objects[0].iou == [1, 0.5]
    assert measures.scorer.objects[0].median_position_error == pytest.approx(0.5)


def test_json_has_the_numbers_and_no_nan():
    report = to_json(run(), measure(run()))
    assert report['summary'] == {
        'frames': 3,
        'frames_without_result': 1,
        'latency_median_s': pytest.approx(0.05),
        'latency_p95_s': pytest.approx(0.05),
        'rate_hz': 24.0,
        'scored_frames': 2,
        'mean_iou': 0.75,
        'id_switches': 0,
    }
    assert report['objects']['1']['position_error_median_m'] == pytest.approx(0.5)
    unknown = Run('none', [1], 1, Observations())
    assert to_json(unknown, measure(unknown))['summary']['latency_median_s'] is None


def test_without_truth_there_is_no_score():
    measures = measure(run(truth=False))
    assert measures.scorer is None
    assert 'mean_iou' not in to_json(run(truth=False), measures)['summary']


def test_a_truth_of_label_maps_alone_takes_the_names_of_the_results():
    whole = run()
    assert whole.truth is not None
    whole.truth.objects.clear()
    assert whole.truth.names == {1: ''}
    scorer = measure(whole).scorer
    assert scorer is not None and scorer.objects[0].name == 'ball'
    assert scorer.objects[0].iou == [1, 0.5]
    assert math.isnan(scorer.objects[0].median_position_error)


def test_label_maps_survive_being_kept():
    labels = np.random.default_rng(0).integers(0, 256, (48, 65), dtype=np.uint8)
    kept = Observations()
    kept.add_labels(5, np.zeros_like(labels))
    kept.add_labels(5, labels)
    np.testing.assert_array_equal(kept.labels(5), labels)
    assert kept.labels(6) is None and kept.stamps == [5]
