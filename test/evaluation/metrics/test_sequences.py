"""Scores gathered frame by frame."""

from __future__ import annotations

import pytest
from label_maps import strip

from drift_ros.errors import SourceError
from drift_ros.evaluation.metrics import Scorer
from drift_ros.evaluation.scores import Said
from drift_ros.structures import TargetState


def test_an_object_is_scored_behind_the_frame_on_which_it_was_given():
    scorer = Scorer('clip', {2: 'late', 1: 'early'}, {0: (1,), 5: (2,)})
    truth = strip(1, 1, 0, 2, 2)
    assert scorer.add(0, truth, strip(0, 0, 0, 0, 0)) == {}
    assert scorer.add(5, truth, strip(1, 0, 0, 0, 0))[1][0] == 0.5
    scorer.add(10, truth, truth)
    score = scorer.score(11, seconds=2.0, memory=3)
    early, late = score.objects
    assert (early.id, early.name, early.frames, early.j) == (1, 'early', (5, 10), (0.5, 1))
    assert (late.id, late.name, late.frames, late.j) == (2, 'late', (10,), (1,))
    assert (score.frames, score.size, score.seconds, score.memory) == (11, (1, 5), 2.0, 3)


def test_an_object_without_a_scored_frame_is_left_out_by_name():
    scorer = Scorer('clip', {1: 'a', 2: 'b'}, {0: (1,), 9: (2,)})
    scorer.add(4, strip(1), strip(1))
    score = scorer.score(10)
    assert [obj.id for obj in score.objects] == [1]
    assert score.skipped == ('object 2 has no scored frame',)


def test_nothing_to_score_is_refused():
    with pytest.raises(SourceError, match='clip'):
        Scorer('clip', {1: 'a'}, {0: (1,)}).score(3)


def test_a_result_of_another_size_is_refused_with_both_sizes():
    with pytest.raises(SourceError, match=r'frame 3.*2x1.*3x1'):
        Scorer('clip', {1: 'a'}, {0: (1,)}).add(3, strip(1, 1, 1), strip(1, 1))


def test_what_a_tracker_says_of_its_masks_is_kept():
    scorer = Scorer('clip', {1: '', 2: ''}, {0: (1, 2)})
    truth = strip(1, 1, 0, 2, 2)
    seen, hidden = TargetState.VISIBLE, TargetState.OCCLUDED
    scorer.add(1, truth, truth, {1: Said(0.9, seen), 2: Said(0.8, seen)})
    scorer.add(2, truth, truth, {1: Said(0.0, hidden)})
    objects = scorer.score(3).objects
    assert [obj.score for obj in objects] == [(0.9, 0.0), (0.8, 0.0)]
    assert [obj.state for obj in objects] == [(seen, hidden), (seen, None)]
