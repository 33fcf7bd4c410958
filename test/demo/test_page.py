"""The report page of a small made-up run, and its charts."""

from __future__ import annotations

import re

import numpy as np

from drift_ros.demo.measures import Run, measure
from drift_ros.demo.page import Caption, render_page
from drift_ros.io.observations import ObjectState, Observations

PICTURE = np.zeros((30, 40, 3), np.uint8)


def observations(shift: int) -> Observations:
    kept = Observations()
    for i in range(5):
        labels = np.zeros((30, 40), np.uint8)
        labels[5:15, 5 + shift : 15 + shift] = 1
        labels[18:26, 20:30] = 2
        kept.add_labels(i * 10**9, labels)
        kept.objects[i * 10**9] = {
            1: ObjectState('<b>cup</b>', 0.5, True, 100, (9.5, 9.5), (0, 0, 1 + shift / 100)),
            2: ObjectState('', 0.5, True, 80, (24.5, 21.5), None),
        }
        kept.received[i * 10**9] = i * 10**9 + 10**8
    return kept


def page(truth: bool, video=None) -> str:
    stamps = [i * 10**9 for i in range(5)]
    known = observations(0) if truth else None
    run = Run('cups', stamps, 0, observations(5), known, {s: s for s in stamps}, 2.0)
    pictures = [Caption('frame 3', PICTURE)]
    facts = {'node': 'tracker'}
    groups = {'Settings': {'window.length': 8}, 'Empty': {}}
    return render_page(run, measure(run), video, PICTURE, pictures, facts, groups)


def test_the_page_says_what_was_measured():
    html = page(truth=True)
    mean = (1 / 3 + 1) / 2  # half overlapping boxes: 50 of 150 px; and an equal one
    assert f'{mean:.3f}' in html
    assert '0.333' in html and '1.000' in html
    assert 'Tracking report: cups' in html
    assert '100 <small>ms</small>' in html
    assert '5.00' in html  # cm
    assert 'IoU over time' in html and 'Position error' in html and 'Latency' in html
    assert 'window.length' in html and 'Empty' not in html
    assert 'right place, other id' in html


def test_the_page_needs_nothing_beside_itself(tmp_path):
    video = tmp_path / 'overlay.mp4'
    video.write_bytes(b'not really a video')
    html = page(truth=True, video=video)
    sources = re.findall(r'(?:src|href)="([^"]*)"', html)
    assert len(sources) == 3
    assert all(source.startswith('data:') for source in sources)
    assert 'http' not in re.sub(r'data:[^"]*', '', html)


def test_names_are_escaped():
    html = page(truth=True)
    assert '<b>cup</b>' not in html and '&lt;b&gt;cup&lt;/b&gt;' in html


def test_without_truth_the_page_claims_no_accuracy():
    html = page(truth=False)
    assert 'Mean IoU' not in html and 'id switches' not in html.lower()
    assert 'Area over time' in html and 'No truth is known' in html
    assert '5 of 5' in html and '0 of 5' in html  # visible in; with position


def test_a_run_without_any_result_still_gives_a_page():
    run = Run('nothing', [1, 2], 1, Observations(), observations(0))
    html = render_page(run, measure(run), None, PICTURE, [], {}, {})
    assert 'n/a' in html and '2 <small>of 2</small>' in html
