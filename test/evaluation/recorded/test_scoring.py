"""Scores of recorded runs whose numbers are known on paper."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from label_maps import renamed, shifted
from recordings import MS, Bag, annotated, boxes, moving, stamp

from drift_ros.errors import SourceError
from drift_ros.evaluation.recorded.scoring import LiveScore, Request, score_recording

COUNT = 8
NAMES = {1: 'cup', 2: 'box'}


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    return annotated(tmp_path / 'truth', [moving(index) for index in range(COUNT)])


def live(path: Path, change=lambda index, labels: labels, late: int = 30 * MS, skip=()) -> Path:
    """A tracker that has it right but for `change`, and has no result for the frames `skip`."""
    bag = Bag()
    for index in range(COUNT):
        if index not in skip:
            bag.result(stamp(index), change(index, moving(index)), NAMES, late)
    return bag.write(path)


def score(recorded: Path, truth: Path, **options) -> LiveScore:
    return score_recording(Request(recorded, truth, **options))


def switches(found: LiveScore) -> list[tuple[int, ...]]:
    return [obj.follower for obj in found.score.objects]


# -- accuracy -------------------------------------------------------------------------------------


def test_a_bag_against_itself_is_perfect(truth: Path) -> None:
    found = score(truth, truth, labels='/truth/labels', truth_labels='/truth/labels')
    assert [obj.id for obj in found.score.objects] == [1, 2]
    for obj in found.score.objects:
        assert obj.frames == tuple(range(1, COUNT))  # what the tracker is given is not scored
        assert obj.j == obj.f == (1.0,) * (COUNT - 1)
    assert found.dropped == 0 and found.truth == (COUNT - 1, 0)
    assert 'no live run' in found.notes[0]
    assert found.from_stamp is None and found.from_arrival is None


@pytest.mark.parametrize('pixels', [1, 3, 7])
def test_shifted_labels_cost_what_the_boxes_say(tmp_path: Path, truth: Path, pixels: int) -> None:
    """A box of width w, shifted by n: (w - n) / (w + n)."""
    recorded = live(tmp_path / 'live', lambda _, labels: shifted(labels, 0, pixels))
    found = score(recorded, truth)
    for obj in found.score.objects:
        assert obj.j == pytest.approx([(20 - pixels) / (20 + pixels)] * (COUNT - 1), abs=1e-12)
    assert found.score.objects[0].name == 'cup'


def test_ids_that_are_swapped_half_way_are_two_switches(tmp_path: Path, truth: Path) -> None:
    recorded = live(
        tmp_path / 'live', lambda i, labels: renamed(labels, id1=2, id2=1) if i >= 4 else labels
    )
    found = score(recorded, truth)
    assert switches(found) == [(1, 1, 1, 2, 2, 2, 2), (2, 2, 2, 1, 1, 1, 1)]
    assert found.score.objects[0].j == (1, 1, 1, 0, 0, 0, 0)


def test_other_ids_are_matched_by_place(tmp_path: Path, truth: Path) -> None:
    bag = Bag()
    for index in range(COUNT):
        labels = renamed(moving(index), id1=2, id2=7)
        bag.result(stamp(index), labels, {2: 'cup', 7: 'box', 9: 'never seen'})
    recorded = bag.write(tmp_path / 'live')
    found = score(recorded, truth, match='overlap')
    assert found.aligned.matched == {2: 1, 7: 2}
    assert [obj.name for obj in found.score.objects] == ['cup', 'box']
    assert all(obj.j == (1.0,) * (COUNT - 1) for obj in found.score.objects)
    assert switches(found) == [(1,) * 7, (2,) * 7]
    by_id = score(recorded, truth)
    assert by_id.aligned.matched == {2: 2}
    assert by_id.score.objects[0].j == (0.0,) * (COUNT - 1)
    assert 'never prompted are left out: 1' in by_id.notes[-1]


def test_no_common_id_is_refused_with_the_way_out(tmp_path: Path, truth: Path) -> None:
    bag = Bag()
    for index in range(COUNT):
        bag.result(stamp(index), renamed(moving(index), id1=5, id2=6), {5: 'cup', 6: 'box'})
    expected = r'no id is in both: 5 cup, 6 box in the results, 1, 2 in the truth; --match overlap'
    with pytest.raises(SourceError, match=expected):
        score(bag.write(tmp_path / 'live'), truth)


def test_nothing_overlaps(tmp_path: Path, truth: Path) -> None:
    bag = Bag()
    for index in range(COUNT):
        bag.result(stamp(index), boxes(id3=(20, 60)), {3: 'dog'})
    with pytest.raises(SourceError):
        score(bag.write(tmp_path / 'live'), truth, match='overlap')


# -- what counts ----------------------------------------------------------------------------------


def test_frames_before_the_prompt_count_for_nothing(tmp_path: Path, truth: Path) -> None:
    bag = Bag()
    nothing = np.zeros_like(moving(0))
    for index in range(3):
        bag.result(stamp(index), nothing, {}, generation=0)
    for index in range(3, COUNT):
        bag.result(stamp(index), moving(index), NAMES)
    found = score(bag.write(tmp_path / 'live'), truth)
    assert found.score.objects[0].frames == (4, 5, 6, 7)
    assert len(found.stamps) == 4 and found.dropped == 0


def test_an_object_that_is_added_later_is_scored_from_then_on(tmp_path: Path, truth: Path) -> None:
    bag = Bag()
    for index in range(COUNT):
        names = NAMES if index >= 5 else {1: 'cup'}
        labels = moving(index)
        bag.result(stamp(index), labels if index >= 5 else np.where(labels == 1, labels, 0), names)
    found = score(bag.write(tmp_path / 'live'), truth)
    first, second = found.score.objects
    assert first.frames == tuple(range(1, COUNT)) and second.frames == (6, 7)
    assert second.j == (1.0, 1.0)


def test_without_tracks_an_object_begins_where_it_is_shown(tmp_path: Path, truth: Path) -> None:
    bag = Bag()
    for index in range(COUNT):
        labels = moving(index) if index >= 2 else np.zeros_like(moving(0))
        bag.labels(stamp(index), labels, stamp(index) + 10 * MS, '/out/labels')
    found = score(bag.write(tmp_path / 'live'), truth)
    assert found.score.objects[0].frames == (3, 4, 5, 6, 7)
    assert found.generation is None
    assert found.from_stamp is not None
    assert found.from_stamp.median == pytest.approx(0.01)


def test_dropped_frames_are_counted_and_on_request_scored(tmp_path: Path, truth: Path) -> None:
    recorded = live(tmp_path / 'live', skip=(3, 4, 7))
    found = score(recorded, truth)
    assert found.dropped == 3 and found.unfinished == 1 and found.truth == (7, 3)
    assert found.score.objects[0].frames == (1, 2, 5, 6)
    assert found.score.objects[0].j == (1.0,) * 4
    strict = score(recorded, truth, count_dropped=True)
    assert strict.score.objects[0].j == (1, 1, 0, 0, 1, 1, 0)
    assert strict.dropped == 3


def test_dropped_frames_are_those_of_the_camera_not_of_the_truth(tmp_path: Path) -> None:
    """The truth has every fourth frame, the camera all, the tracker every second."""
    bag = Bag()
    for index in range(13):
        bag.image(stamp(index), stamp(index) + 4 * MS)
        if index % 4 == 0:
            bag.labels(stamp(index), moving(0))
        if index % 2 == 0:
            bag.result(stamp(index), moving(0), NAMES, 30 * MS)
    both = bag.write(tmp_path / 'both')
    found = score(both, both)
    assert found.topics == {
        'labels': '/tracker/labels',
        'tracks': '/tracker/tracks',
        'truth': '/truth/labels',
        'camera': '/camera/image',
    }
    assert len(found.stamps) == 12 and found.dropped == 6 and found.truth == (3, 0)
    assert found.score.objects[0].frames == (4, 8, 12)


def test_the_last_generation_with_targets_is_scored(tmp_path: Path, truth: Path) -> None:
    """A reset while frame 2 was under way: it is published twice, the second time right."""
    bag = Bag()
    wrong = boxes(id1=(40, 60))
    for index in range(4):
        bag.result(stamp(index), wrong, {1: 'dog'}, 20 * MS, generation=1)
    for index in range(2, COUNT):
        bag.result(stamp(index), moving(index), NAMES, 400 * MS, generation=2)
    bag.result(stamp(COUNT), np.zeros_like(wrong), {}, generation=3)
    recorded = bag.write(tmp_path / 'live')
    found = score(recorded, truth)
    assert found.generation == 2
    assert found.score.objects[0].frames == (3, 4, 5, 6, 7)
    assert found.score.objects[0].j == (1.0,) * 5
    assert '4 results of other generations' in found.notes[0]
    first = score(recorded, truth, generation=1)
    assert first.score.objects[0].frames == (1, 2, 3)
    assert first.score.objects[0].j == (0.0,) * 3
    with pytest.raises(SourceError, match=r'9 .*1, 2$'):
        score(recorded, truth, generation=9)


def test_a_lost_label_map_of_an_old_generation_changes_nothing(tmp_path: Path, truth: Path) -> None:
    bag = Bag()
    for index in range(COUNT):
        bag.tracks(stamp(index), {1: 'dog'}, stamp(index) + 10 * MS, generation=1)
        if index != 4:
            bag.labels(stamp(index), boxes(id1=(40, 60)), stamp(index) + 10 * MS, '/tracker/labels')
        bag.result(stamp(index), moving(index), NAMES, 200 * MS, generation=2)
    found = score(bag.write(tmp_path / 'live'), truth)
    assert found.score.objects[0].j == (1.0,) * (COUNT - 1)


# -- times ----------------------------------------------------------------------------------------


def test_latency_is_from_stamp_and_from_arrival(tmp_path: Path, truth: Path) -> None:
    bag = Bag()
    for index in range(COUNT):
        bag.image(stamp(index), stamp(index) + 5 * MS)
        bag.result(stamp(index), moving(index), NAMES, (20 + 10 * index) * MS)
    found = score(bag.write(tmp_path / 'live'), truth)
    assert found.from_stamp is not None
    assert found.from_arrival is not None
    expected = [(20 + 10 * index) / 1e3 for index in range(1, COUNT)]
    assert found.from_stamp.values == pytest.approx(expected)
    assert found.from_stamp.median == pytest.approx(0.06)
    assert found.from_stamp.p95 == pytest.approx(np.percentile(expected, 95))
    assert found.from_stamp.highest == pytest.approx(0.09)
    assert found.from_arrival.median == pytest.approx(0.055)
    assert found.notes == ()


def test_camera_info_tells_the_arrival_where_images_are_not_recorded(
    tmp_path: Path, truth: Path
) -> None:
    from drift_ros.io import messages

    bag = Bag()
    for index in range(COUNT):
        at = stamp(index)
        info = messages.camera_info(1, 1, 1, 1, 80, 60, at, 'camera')
        bag.put('/camera/camera_info', messages.CAMERA_INFO, info, at + 2 * MS)
        if index != 5:
            bag.result(at, moving(index), NAMES, 32 * MS)
    found = score(bag.write(tmp_path / 'live'), truth)
    assert found.from_arrival is not None
    assert found.from_arrival.median == pytest.approx(0.03)
    assert found.dropped == 1 and found.topics['camera'] == '/camera/camera_info'


@pytest.mark.parametrize('late', [3 * 86400 * 10**9, -(10**9)])
def test_stamps_of_another_clock_give_no_latency(tmp_path: Path, truth: Path, late: int) -> None:
    bag = Bag()
    for index in range(COUNT):
        bag.image(stamp(index), stamp(index) + late - 25 * MS)
        bag.result(stamp(index), moving(index), NAMES, late)
    found = score(bag.write(tmp_path / 'live'), truth)
    assert found.from_stamp is None
    assert found.from_arrival is not None
    assert found.from_arrival.median == pytest.approx(0.025)
    assert 'stamped by another clock' in found.notes[0]
    assert not score(tmp_path / 'live', truth, played=True).notes


def test_a_simulated_clock_may_stand_still_between_its_ticks(tmp_path: Path, truth: Path) -> None:
    bag = Bag()
    for index in range(COUNT):
        bag.result(stamp(index), moving(index), NAMES, -20 * MS if index == COUNT - 1 else 30 * MS)
    found = score(bag.write(tmp_path / 'live'), truth)
    assert found.from_stamp is not None
    assert found.from_stamp.median == pytest.approx(0.03)
    assert found.notes == ()


# -- stamps and sizes -----------------------------------------------------------------------------


def test_stamps_within_the_tolerance_are_of_one_frame(tmp_path: Path, truth: Path) -> None:
    bag = Bag()
    for index in range(COUNT):
        bag.result(stamp(index) + 300_000, moving(index), NAMES)
    recorded = bag.write(tmp_path / 'live')
    found = score(recorded, truth, tolerance=0.0005)
    assert found.score.objects[0].j == (1.0,) * (COUNT - 1) and found.dropped == 0
    expected = r'no stamp of .* nearest differ by 0\.000300 s .*--tolerance 0\.00031 would pair'
    with pytest.raises(SourceError, match=expected):
        score(recorded, truth)


def test_stamps_of_other_images_are_refused(tmp_path: Path, truth: Path) -> None:
    bag = Bag()
    for index in range(COUNT):
        bag.result(stamp(index) + 10**12, moving(index), NAMES)
    with pytest.raises(SourceError, match=r'999\.650 s'):
        score(bag.write(tmp_path / 'live'), truth)


def test_results_of_another_size(tmp_path: Path, truth: Path) -> None:
    recorded = live(tmp_path / 'some', lambda i, labels: labels[::2, ::2] if i == 3 else labels)
    found = score(recorded, truth)
    assert found.score.skipped == ('frame 3: the result has 40x30 px, the truth 80x60',)
    assert 3 not in found.score.objects[0].frames
    every = live(tmp_path / 'all', lambda i, labels: labels[::2, ::2])
    with pytest.raises(SourceError, match=r'40x30 px.* 80x60'):
        score(every, truth)


# -- topics ---------------------------------------------------------------------------------------


def test_a_topic_that_is_missing_is_answered_with_what_there_is(
    tmp_path: Path, truth: Path
) -> None:
    recorded = live(tmp_path / 'live')
    expected = r'/tracker/label is not in .*did you mean /tracker/labels\?.*/tracker/tracks'
    with pytest.raises(SourceError, match=expected):
        score(recorded, truth, labels='/tracker/label')
    with pytest.raises(SourceError, match=r'/truth/mask is not in .*/camera/image'):
        score(recorded, truth, truth_labels='/truth/mask')
    with pytest.raises(SourceError, match=r'/tracker/track is not in'):
        score(recorded, truth, tracks='/tracker/track')
    with pytest.raises(SourceError, match=r'/camera/imag is not in'):
        score(recorded, truth, image='/camera/imag')


def test_topics_of_another_type(tmp_path: Path, truth: Path) -> None:
    recorded = live(tmp_path / 'live')
    with pytest.raises(SourceError, match='drift_ros/msg/TrackedObjectArray'):
        score(recorded, truth, labels='/tracker/tracks')
    with pytest.raises(SourceError, match='sensor_msgs/msg/Image'):
        score(recorded, truth, tracks='/tracker/labels')
    with pytest.raises(SourceError, match='drift_ros/msg/TrackedObjectArray'):
        score(recorded, truth, image='/tracker/tracks')


def test_several_trackers_or_truths_have_to_be_named(tmp_path: Path, truth: Path) -> None:
    bag = Bag()
    for index in range(COUNT):
        for name, right in (('/a', True), ('/b', False)):
            labels = moving(index) if right else boxes(id1=(40, 60))
            bag.labels(stamp(index), labels, topic=f'{name}/labels')
            bag.tracks(stamp(index), NAMES, topic=f'{name}/tracks')
    recorded = bag.write(tmp_path / 'live')
    with pytest.raises(SourceError, match='/a/labels, /b/labels'):
        score(recorded, truth)
    assert score(recorded, truth, labels='/a/labels').score.objects[0].j[0] == 1
    assert score(recorded, truth, labels='/b/labels').score.objects[0].j[0] == 0
    with pytest.raises(SourceError, match='--truth-labels'):
        score(truth, recorded, labels='/truth/labels')


def test_a_recording_without_truth_is_not_its_own(tmp_path: Path) -> None:
    recorded = live(tmp_path / 'live')
    with pytest.raises(SourceError, match='--truth-labels'):
        score(recorded, recorded)


def test_several_cameras_have_to_be_named(tmp_path: Path, truth: Path) -> None:
    bag = Bag()
    for index in range(COUNT):
        bag.image(stamp(index), topic='/left/image')
        bag.image(stamp(index) + 1, topic='/right/image')
        bag.result(stamp(index), moving(index), NAMES, MS)
    recorded = bag.write(tmp_path / 'live')
    with pytest.raises(SourceError, match='/left/image, /right/image'):
        score(recorded, truth)
    assert score(recorded, truth, image='/left/image').dropped == 0


def test_a_grey_truth_in_the_same_bag_is_no_camera(tmp_path: Path) -> None:
    bag = Bag()
    for index in range(COUNT):
        bag.labels(stamp(index), moving(index), encoding='mono8')
        bag.result(stamp(index), moving(index), NAMES, MS)
    both = bag.write(tmp_path / 'both')
    found = score(both, both)
    assert found.topics['truth'] == '/truth/labels' and found.topics['camera'] == ''


def test_without_a_camera_only_labelled_frames_can_be_missed(tmp_path: Path) -> None:
    bag = Bag()
    for index in range(0, COUNT, 2):
        bag.labels(stamp(index), moving(index))
    truth = bag.write(tmp_path / 'truth')
    found = score(live(tmp_path / 'live', skip=(3, 4)), truth)
    assert 'no topic has the stamps of the camera' in found.notes[0]
    assert found.truth == (3, 1)


def test_a_tracker_that_was_never_prompted(tmp_path: Path, truth: Path) -> None:
    bag = Bag()
    for index in range(COUNT):
        bag.result(stamp(index), np.zeros_like(moving(0)), {}, generation=0)
    with pytest.raises(SourceError):
        score(bag.write(tmp_path / 'live'), truth)


def test_a_truth_without_objects(tmp_path: Path) -> None:
    truth = annotated(tmp_path / 'truth', [np.zeros_like(moving(0))] * COUNT)
    with pytest.raises(SourceError, match='/truth/labels'):
        score(live(tmp_path / 'live'), truth)


def test_a_recording_that_is_cut_off(tmp_path: Path, truth: Path) -> None:
    recorded = live(tmp_path / 'live')
    file = next(recorded.glob('*.mcap'))
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(SourceError):
        score(recorded, truth)


def test_a_broken_label_map_is_skipped_by_name(tmp_path: Path, truth: Path) -> None:
    bag = Bag()
    for index in range(COUNT):
        labels = moving(index).astype(np.uint16)
        labels[0, 0] = 300 if index == 2 else 0
        bag.labels(stamp(index), labels, topic='/tracker/labels', encoding='16UC1')
        bag.tracks(stamp(index), NAMES)
    found = score(bag.write(tmp_path / 'live'), truth)
    assert found.dropped == 1
    assert 'on /tracker/labels: has the value 300' in found.score.skipped[0]
