"""Errors of positions, and runs of which no truth is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from recordings import MS, Bag, moving, stamp

from drift_ros.evaluation.recorded import output
from drift_ros.evaluation.recorded.scoring import Request, score_recording
from drift_ros.evaluation.reporting.reading import read_results
from drift_ros.io import messages
from drift_ros.structures import Frame, TrackingResult
from drift_ros.tracking.measure import measure

COUNT = 5


def put(bag: Bag, index: int, name: str, shift: float, late: int = 0) -> None:
    """Label map and tracks of two objects, the first `shift` m farther than 2 m."""
    labels = moving(index)
    frame = Frame(np.zeros((*labels.shape, 3), np.uint8), stamp(index), 'camera')
    result = TrackingResult(frame, labels, measure(labels, {1: 'cup', 2: 'box'}, {1: 1.0}), 1)
    at = stamp(index) + late
    bag.labels(stamp(index), labels, at, f'/{name}/labels')
    tracks = messages.tracks(result, {1: (0.0, 0.0, 2 + shift)})
    bag.put(f'/{name}/tracks', messages.TRACKS, tracks, at)


@pytest.fixture
def live(tmp_path: Path) -> Path:
    bag = Bag()
    for index in range(COUNT):
        bag.image(stamp(index), stamp(index) + 5 * MS)
        if index != 3:
            put(bag, index, 'tracker', 0.01 * index, 30 * MS)
    return bag.write(tmp_path / 'live')


def test_the_position_is_one_more_number_of_a_run(live: Path, tmp_path: Path) -> None:
    bag = Bag()
    for index in range(COUNT):
        put(bag, index, 'truth', 0.0)
    found = score_recording(Request(live, bag.write(tmp_path / 'truth')))
    assert list(found.position_errors) == [1]  # nothing is known of the other
    errors = found.position_errors[1]
    assert errors.values == pytest.approx((0.01, 0.02, None, 0.04))
    assert (errors.median, errors.highest) == pytest.approx((0.02, 0.04))
    entry = output.live_entry(found)
    assert entry['position_error']['1']['median'] == pytest.approx(0.02)


def test_without_a_truth_losses_and_latency_are_known(live: Path, tmp_path: Path) -> None:
    request = Request(live, None, name='kitchen')
    found = score_recording(request)
    assert (len(found.stamps), found.dropped, found.truth) == (COUNT - 1, 1, (0, 0))
    assert found.from_arrival is not None
    assert found.from_arrival.median == pytest.approx(0.025)
    assert not found.score.objects and not found.position_errors
    page = output.write(tmp_path / 'out', request, found, overlay=True)
    text = page.read_text()
    assert 'without a result' in text and 'data:video/mp4' in text and 'J and F' not in text
    assert read_results(tmp_path / 'out').sequences['kitchen']['live']['dropped'] == 1
    assert len(list((tmp_path / 'out/sequences/kitchen/labels').iterdir())) == COUNT - 1


def test_frames_behind_the_last_that_was_played_do_not_count(live: Path) -> None:
    found = score_recording(Request(live, None, last=stamp(2)))
    assert len(found.stamps) == 2 and found.dropped == 0
