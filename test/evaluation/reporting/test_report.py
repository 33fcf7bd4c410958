"""The report of small evaluations whose numbers are known, also in a real browser."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from browser import DESK, PHONE, probe
from PIL import Image
from recordings import annotated, moving
from result_folders import boxes, write_results

from drift_ros.errors import SourceError
from drift_ros.evaluation.datasets import open_dataset
from drift_ros.evaluation.methods import Flow
from drift_ros.evaluation.reporting.reading import read_score
from drift_ros.evaluation.reporting.report import write_report
from drift_ros.evaluation.reporting.worst import frames_of, worst_frames
from drift_ros.evaluation.running import Options, evaluate

SCORES = {'a': [(0.9, 0.8), (0.5, 0.6)], 'b': [(0.7, 0.75)], '<i>odd': [(0.2, 0.1)]}


@pytest.fixture
def folder(tmp_path):
    return write_results(tmp_path / 'out', SCORES, {'bad': 'no object on the first frame'})


def sequences():
    return [boxes(name, len(objects)) for name, objects in SCORES.items()]


def text_of(html: str) -> str:
    return re.sub(
        r'\s+', ' ', re.sub(r'<[^>]*>', ' ', re.sub(r'<style>.*?</style>', '', html, flags=re.S))
    )


def test_the_page_says_what_was_measured(folder):
    html = write_report(folder, sequences()).read_text()
    text = text_of(html)
    assert '3 of 4 sequences, 4 objects, 18 frames' in text
    assert 'this run: patch 56.9 57.5 56.2' in text  # (0.9 + 0.5 + 0.7 + 0.2) / 4 and so on
    assert 'a 2 6 70.0 70.0 70.0 0 0.25 1024' in text
    assert 'bad no object on the first frame' in text
    assert 'Known CPU' in text and 'propagation.top_k' in text
    assert '<i>odd' not in html and '&lt;i&gt;odd' in html


def test_the_page_says_how_far_scores_can_be_trusted(folder):
    page = write_report(folder).read_text()
    assert 'Expected calibration error' in page
    for place in folder.rglob('score.json'):  # of a tracker that says nothing
        record = json.loads(place.read_text())
        for obj in record.get('objects', ()):
            del obj['score']
        place.write_text(json.dumps(record))
    assert 'Expected calibration error' not in write_report(folder).read_text()


def test_the_page_needs_nothing_beside_itself(folder):
    html = write_report(folder, sequences()).read_text()
    sources = re.findall(r'(?:src|href)="([^"]*)"', html)
    assert sum(source.startswith('data:image/jpeg;base64,') for source in sources) == 6
    assert all(source.startswith(('data:', '#')) for source in sources)
    assert 'http' not in re.sub(r'data:[^"]*|xmlns(:xlink)?="[^"]*"', '', html)


@pytest.mark.parametrize(
    ('seconds', 'card'), [(0.00422, '4.22 ms per frame'), (0.163, '0.163 s per frame')]
)
def test_times_fit_into_their_card(tmp_path, seconds, card):
    write_results(tmp_path, SCORES, seconds=seconds)
    assert card in text_of(write_report(tmp_path).read_text())


def test_the_worst_frames_come_first(folder):
    scores = [read_score(folder, name) for name in SCORES]
    worst = worst_frames(scores, 3)
    assert [(f.sequence, f.index) for f in worst] == [('<i>odd', 3), ('a', 3), ('b', 3)]
    assert worst[1].value == pytest.approx((0.45 + 0.25 + 0.4 + 0.3) / 4)
    assert [frame.index for frame in frames_of(scores[0])] == [1, 2, 3, 4]
    html = write_report(folder, sequences()).read_text()
    captions = re.findall(r'<figcaption>(.*?)</figcaption>', html)
    assert captions[0] == '&lt;i&gt;odd, frame 00003: J&amp;F 7.5'
    assert captions[1] == 'a, frame 00003: J&amp;F 35.0 (box1 42.5, box2 27.5)'


def test_beside_a_preset_the_published_numbers_and_what_differs(tmp_path):
    write_results(tmp_path, SCORES, preset='ted_davis')
    text = text_of(write_report(tmp_path).read_text())
    assert 'published: TED 77.6 74.4 80.8' in text
    assert 'Not the same experiment' in text and 'these are of patch' in text


def test_without_pictures_plots_or_time_there_is_still_a_page(tmp_path):
    write_results(tmp_path, {})
    assert '0 of 0 sequences' in write_report(tmp_path).read_text()


def test_a_picture_of_features_is_shown_where_there_is_one(folder):
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(folder / 'sequences/b/pca.png')
    html = write_report(folder).read_text()
    assert html.count('Features as colours') == 2  # caption and alternative text
    assert html.count('src="data:image/jpeg') == 1


def test_a_folder_without_results_is_refused(tmp_path):
    with pytest.raises(SourceError):
        write_report(tmp_path)


def test_a_browser_shows_it_and_sorts(folder):
    script = """(() => {
        const table = document.querySelector('.sortable');
        const names = () => [...table.tBodies[0].rows].map(r => r.cells[0].textContent.trim());
        const before = names();
        table.querySelectorAll('th')[3].click();
        const down = names();
        table.querySelectorAll('th')[3].click();
        return {before, down, up: names(),
            pictures: [...document.images].map(i => i.naturalWidth),
            plots: document.querySelectorAll('svg.chart').length,
            overflow: document.documentElement.scrollWidth - innerWidth};
    })()"""
    for width in (DESK, PHONE):
        found = probe(write_report(folder, sequences()), script, width)
        assert found['before'] == ['a', 'b', '<i>odd']
        assert found['down'] == ['b', 'a', '<i>odd'] and found['up'] == ['<i>odd', 'a', 'b']
        assert found['plots'] == 10 and len(found['pictures']) == 6
        assert all(found['pictures']), 'a picture cannot be decoded'
        assert found['overflow'] <= 0, f'at {width} px the page is wider than the window'


def test_bags_are_not_kept_open(tmp_path):
    for name in ('one', 'two'):
        annotated(tmp_path / 'bags' / name, [moving(index) for index in range(4)])
    data, out = open_dataset('bag', tmp_path / 'bags'), tmp_path / 'out'
    evaluate(data, Flow(), out, Options(pictures=False))
    assert write_report(out, data.usable).read_text().count('src="data:image/jpeg') > 1
    assert not any('_opened' in vars(sequence) for sequence in data.usable)
