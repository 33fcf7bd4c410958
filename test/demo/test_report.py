"""The files that a run leaves, from bag to page, without a node."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from drift_ros import synthetic
from drift_ros.demo.measures import Run
from drift_ros.demo.report import write_report
from drift_ros.io import messages, recorded
from drift_ros.io.bag_writer import BagWriter
from drift_ros.structures import TrackingResult
from drift_ros.synthetic import export

SETTINGS = synthetic.SceneSettings(width=160, height=120, frames=6, rate=10)


@pytest.fixture(scope='module')
def run_and_bag(tmp_path_factory):
    """A scene, and a recording of a tracker that has it right but for one frame and one shift."""
    folder = tmp_path_factory.mktemp('demo')
    scene = synthetic.create('crossing', SETTINGS)
    export.write_bag(scene, folder / 'input')
    with BagWriter(folder / 'recorded') as bag:
        for frame in scene:
            right = export.truth(frame)
            labels = np.roll(frame.labels, 8, axis=1) if frame.index == 4 else frame.labels
            for generation in (0, 1):
                if frame.index == 2 and generation == 1:
                    continue
                result = TrackingResult(right.frame, labels, right.objects, generation)
                bag.write('/t/labels', messages.IMAGE, messages.labels(result), frame.stamp + 5)
                tracks = messages.tracks(result, {})
                bag.write('/t/tracks', messages.TRACKS, tracks, frame.stamp + 50_000_000)
    results = recorded.observations(folder / 'recorded', '/t/labels', '/t/tracks', 1)
    truth = recorded.observations(folder / 'input', export.TRUTH_LABELS, export.TRUTH_TRACKS)
    stamps = [frame.stamp for frame in scene]
    run = Run('crossing', stamps, stamps[0], results, truth, {t: t for t in stamps}, 10.0)
    return run, folder / 'input'


def images(bag):
    return ((frame.stamp, frame.image) for frame in recorded.frames(bag, export.IMAGE))


def test_results_of_another_generation_do_not_count(run_and_bag):
    run, _ = run_and_bag
    assert len(run.results.stamps) == 5 and run.stamps[2] not in run.results.stamps
    assert set(run.results.objects) == set(run.results.stamps)


def test_everything_is_written_and_says_what_is_true(run_and_bag, tmp_path):
    run, bag = run_and_bag
    measures, files = write_report(tmp_path, run, images(bag), 10.0, {'node': 't'}, {'a.b': 1})
    assert measures.dropped == 1
    assert measures.scorer is not None
    assert measures.scorer.objects[0].iou[:3] == [1, 1, 1]
    assert measures.scorer.objects[0].iou[3] < 0.8
    assert measures.scorer.switches == 0
    assert measures.latency_percentile(50) == pytest.approx(0.05)
    numbers = json.loads(files.numbers.read_text())
    assert numbers['summary']['frames_without_result'] == 1
    assert numbers['settings'] == {'a.b': 1}
    assert numbers['versions']['drift_ros'] and numbers['machine']['cores']
    page = files.page.read_text()
    assert 'frame 4, 0.40 s' in page and 'a.b' in page
    video = cv2.VideoCapture(str(files.video))
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == 5
    assert video.get(cv2.CAP_PROP_FPS) == pytest.approx(10)
    assert cv2.imread(str(files.sheet)).shape[2] == 3


def test_without_truth_and_without_results(run_and_bag, tmp_path):
    run, bag = run_and_bag
    plain = Run('plain', run.stamps, run.prompted, run.results, None, run.sent, 10.0)
    _, files = write_report(tmp_path, plain, images(bag), 10.0, {}, {})
    assert 'mean_iou' not in json.loads(files.numbers.read_text())['summary']
    nothing = Run('none', run.stamps, run.prompted, type(run.results)())
    measures, files = write_report(tmp_path, nothing, images(bag), 10.0, {}, {})
    assert measures.dropped == 6
    assert '<video' not in files.page.read_text()
