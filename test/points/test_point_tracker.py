"""What the tracker of points promises to those who stream frames through it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from clips import (
    PERIOD,
    CausalColours,
    Colours,
    blue_mask,
    clip_frame,
    iou,
    make_tracker,
    red_mask,
)
from neighbours import Neighbours
from numpy.typing import NDArray

from drift_ros.errors import PromptError
from drift_ros.features import FeatureExtractor
from drift_ros.points import PointTracker, deciding
from drift_ros.prompts.prompt import Prompt
from drift_ros.structures import Frame, TrackedPoints, TrackerOutput, TrackingResult
from drift_ros.tracking.cuts import Cuts

STAMP = 10**18


def texture(index: int, covered: bool = False, seed: int = 5) -> Frame:
    """A smooth random texture that moves right by 4 px per frame; its left half may be covered."""
    rng = np.random.default_rng(seed)
    coarse = torch.from_numpy(rng.uniform(0, 255, (1, 3, 9, 40)).astype(np.float32))
    wide = torch.nn.functional.interpolate(coarse, (72, 320), mode='bicubic')
    shifted = wide[0, :, :64, 160 - 4 * index : 256 - 4 * index].clamp(0, 255)
    image = np.ascontiguousarray(shifted.permute(1, 2, 0).numpy().astype(np.uint8))
    if covered:
        image[:, :48] = 127
    return Frame(image, STAMP + index * PERIOD, 'camera', index)


def make(extractor: FeatureExtractor | None = None, **values: object) -> PointTracker:
    defaults = {'points__temperature': 0.01, 'points__radius': 1}
    tracker = make_tracker(extractor=extractor or Neighbours(), **defaults | values)
    return PointTracker(tracker)


def found(outputs: list[TrackerOutput]) -> TrackedPoints:
    (result,) = outputs
    assert isinstance(result, TrackingResult)
    assert result.points is not None
    return result.points


QUERIES = np.array([[20.0, 20.0], [30.5, 41.0], [12.0, 33.0]])


def test_follows_a_moving_texture() -> None:
    tracker = make()
    first = found(tracker.step(texture(0), QUERIES))
    np.testing.assert_allclose(first.positions, QUERIES)
    assert first.ids.tolist() == [1, 2, 3]
    assert (first.confidence == 1).all()
    for index in range(1, 6):
        points = found(tracker.step(texture(index)))
        assert points.visible.all()
        np.testing.assert_allclose(points.positions, QUERIES + np.array([4 * index, 0]), atol=2.1)


def test_the_network_follows_however_many_points_are_judged_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def followed() -> list[TrackedPoints]:
        tracker = make(points__decision='learned')
        frames = [texture(index) for index in range(5)]
        return [found(tracker.step(f, QUERIES if f.index == 0 else None)) for f in frames]

    whole = followed()
    monkeypatch.setattr(deciding, 'WEIGHTS', 1)
    for index, (points, alone) in enumerate(zip(whole, followed(), strict=True)):
        np.testing.assert_allclose(points.positions, alone.positions, atol=1e-3)
        np.testing.assert_allclose(points.confidence, alone.confidence, atol=1e-3)
        np.testing.assert_allclose(points.positions, QUERIES + np.array([4 * index, 0]), atol=2.1)


@pytest.mark.parametrize('decision', ['rules', 'learned'])
def test_thousands_of_points_are_followed(decision: str) -> None:
    tracker = make(points__decision=decision, points__most=3000)
    queries = np.random.default_rng(0).uniform([4, 4], [70, 60], (2000, 2))
    for index in range(3):
        points = found(tracker.step(texture(index), queries if not index else None))
    apart = np.linalg.norm(points.positions - queries - [8, 0], axis=1)
    assert np.median(apart) < 0.5


@pytest.mark.filterwarnings('error')
@pytest.mark.parametrize('decision', ['rules', 'learned'])
def test_what_left_the_image_does_not_go_on_for_ever(decision: str) -> None:
    tracker = make(points__decision=decision)
    image = texture(0).image
    size = np.array(image.shape[1::-1])
    queries = size - np.array([[4.0, 30.0], [9.0, 20.0], [16.0, 40.0]])
    for index in range(60):
        moved = np.roll(image, 4 * index, 1)
        frame = Frame(moved, STAMP + index * PERIOD, 'camera', index)
        points = found(tracker.step(frame, queries if not index else None))
        assert ((points.positions >= -size) & (points.positions <= 2 * size)).all()
        inside = ((points.positions >= -0.5) & (points.positions < size - 0.5)).all(1)
        assert not (points.visible & ~inside).any()


def test_registration_ends_the_drift_of_the_flow() -> None:
    rng = np.random.default_rng(7)
    scene = cv2.resize(rng.uniform(60, 200, (20, 40, 3)), (200, 100), interpolation=cv2.INTER_CUBIC)
    step = np.array([2.37, -0.43])
    kept = make(points__motion='flow')
    drifting = make(points__motion='flow', points__registration=False)
    for index in range(16):
        move = np.array([[1, 0, 0], [0, 1, 0]], float)
        move[:, 2] = step * index - [60, 20]
        noise = rng.normal(0, 3, (64, 96, 3))
        image = (cv2.warpAffine(scene, move, (96, 64)) + noise).clip(0, 255).astype(np.uint8)
        frame = Frame(image, STAMP + index * PERIOD, 'camera', index)
        errors = [
            np.abs(found(each.step(frame, QUERIES if not index else None)).positions - where).max()
            for each in (drifting, kept)
            for where in [QUERIES + step * index]
        ]
    assert errors[1] < 0.1
    assert errors[1] < errors[0] / 2


def test_says_that_a_covered_point_is_not_visible_and_finds_it_again() -> None:
    tracker = make()
    tracker.step(texture(0), QUERIES)
    hidden = found(tracker.step(texture(1, covered=True)))
    assert not hidden.visible.any()
    assert (hidden.confidence < 0.5).all()
    seen = found(tracker.step(texture(2)))
    assert seen.visible.all()
    np.testing.assert_allclose(seen.positions, QUERIES + np.array([8, 0]), atol=2.1)


def test_a_covered_point_of_the_background_goes_on_with_it() -> None:
    tracker, left = make(), make(points__motion='flow')
    for each in (tracker, left):
        each.step(texture(0), QUERIES)
        each.step(texture(1))
    for index in (2, 3):
        points, alone = (found(each.step(texture(index, covered=True))) for each in (tracker, left))
    expected = QUERIES + np.array([12, 0])
    hidden = expected[:, 0] < 46
    assert not points.visible[hidden].any()
    np.testing.assert_allclose(points.positions[hidden], expected[hidden], atol=1.5)
    assert np.abs(alone.positions[hidden] - expected[hidden]).max() > 3


def test_a_point_that_leaves_the_image_is_not_visible() -> None:
    tracker = make()
    tracker.step(texture(0), [[88.0, 30.0], [30.0, 30.0]])
    for index in range(1, 5):
        points = found(tracker.step(texture(index)))
    assert points.visible.tolist() == [False, True]
    assert points.confidence[0] < 0.5


def test_points_come_and_go_while_others_stay() -> None:
    tracker = make()
    tracker.step(texture(0), QUERIES[:2])
    points = found(tracker.step(texture(1), QUERIES[2:]))
    assert points.ids.tolist() == [1, 2, 3]
    tracker.remove_points([1])
    points = found(tracker.step(texture(2)))
    assert points.ids.tolist() == [2, 3]
    expected = [QUERIES[1] + [8, 0], QUERIES[2] + [4, 0]]
    np.testing.assert_allclose(points.positions, expected, atol=2.1)
    generation = points.generation
    assert tracker.set_points(QUERIES[:1], STAMP + 2 * PERIOD).tolist() == [1]
    points = found(tracker.step(texture(3)))
    assert points.ids.tolist() == [1]
    assert points.generation != generation
    tracker.clear()
    (result,) = tracker.step(texture(4))
    assert isinstance(result, TrackingResult)
    assert result.points is None


@pytest.mark.parametrize('length', [1, 4])
def test_points_on_a_past_frame_are_where_they_would_have_been(length: int) -> None:
    straight = make(window__length=length, window__stride=1)
    straight.step(texture(0))
    straight.step(texture(1), QUERIES)
    expected = [found(straight.step(texture(i))) for i in range(2, 7)]
    late = make(window__length=length, window__stride=1)
    for index in range(5):
        late.step(texture(index))
    assert late.set_points(QUERIES, STAMP + PERIOD).tolist() == [1, 2, 3]
    while late.tracker.due:
        assert late.tracker.advance() == []  # these frames were released before
    for index in (5, 6):
        points = found(late.step(texture(index)))
        np.testing.assert_allclose(points.positions, expected[index - 2].positions)
        np.testing.assert_array_equal(points.visible, expected[index - 2].visible)


def test_targets_and_points_share_the_passes_of_the_network() -> None:
    alone = make_tracker(extractor=(only := CausalColours()))
    both = PointTracker(make_tracker(extractor=(shared := CausalColours())))
    prompt = Prompt(id=1, name='red', mask=red_mask(0))
    alone.step(clip_frame(0), [prompt])
    both.step(clip_frame(0), QUERIES, [prompt])
    for index in range(1, 8):
        (mine,), (theirs,) = alone.step(clip_frame(index)), both.step(clip_frame(index))
        assert isinstance(mine, TrackingResult)
        assert isinstance(theirs, TrackingResult)
        np.testing.assert_array_equal(mine.labels, theirs.labels)
        assert mine.points is None
        assert theirs.points is not None
    assert shared.windows == only.windows


@pytest.mark.parametrize('fails', [False, True])
def test_points_on_a_past_frame_do_not_disturb_the_masks(fails: bool) -> None:
    """Not even those of targets that were prompted farther back than the memory reaches, nor when
    the frames cannot be described a second time.
    """
    values = {'propagation__memory': 3, 'propagation__radius': 2}
    alone, both = make_tracker(**values), PointTracker(make_tracker(**values))
    prompts = [Prompt(id=1, mask=red_mask(0)), Prompt(id=2, mask=blue_mask(0))]
    alone.step(clip_frame(0), prompts)
    both.step(clip_frame(0), prompts=prompts)
    for index in range(1, 16):
        alone.step(clip_frame(index))
        both.step(clip_frame(index))
    both.set_points(QUERIES, clip_frame(0 if fails else 8).stamp)
    if fails:
        extract, both.tracker.extractor.extract = both.tracker.extractor.extract, None  # type: ignore[assignment, method-assign]
        both.tracker.advance()
        both.tracker.extractor.extract = extract  # type: ignore[method-assign]
        both.set_points(QUERIES, clip_frame(8).stamp)
    for index in range(16, 22):
        (mine,), (theirs,) = alone.step(clip_frame(index)), both.step(clip_frame(index))
        assert isinstance(mine, TrackingResult)
        assert isinstance(theirs, TrackingResult)
        np.testing.assert_array_equal(mine.labels, theirs.labels)
        assert mine.objects == theirs.objects
        assert iou(theirs.labels == 1, red_mask(index)) > 0.7
        assert theirs.points is not None


def test_a_window_releases_the_points_of_its_frames_together() -> None:
    tracker = make(Colours(4))
    assert tracker.step(clip_frame(0), QUERIES) == []
    for index in (1, 2):
        assert tracker.step(clip_frame(index)) == []
    outputs = tracker.step(clip_frame(3))
    assert [len(o.points) for o in outputs if isinstance(o, TrackingResult) and o.points] == [3] * 4
    tracker.step(clip_frame(4))
    assert len(tracker.flush()) == 1


def test_a_restarting_stream_forgets_its_points() -> None:
    tracker = make()
    tracker.step(texture(5), QUERIES)
    generation = tracker.generation
    (result,) = tracker.step(texture(0))
    assert isinstance(result, TrackingResult)
    assert result.points is None
    assert tracker.generation != generation


def test_points_on_a_frame_that_fails_are_dropped_and_others_go_on() -> None:
    tracker = make(Neighbours(fail_at=STAMP + PERIOD))
    tracker.step(texture(0), QUERIES[:2])
    tracker.step(texture(1), QUERIES[2:])
    points = found(tracker.step(texture(2)))
    assert points.ids.tolist() == [1, 2]
    np.testing.assert_allclose(points.positions, QUERIES[:2] + np.array([8, 0]), atol=2.1)


def test_memory_is_bounded() -> None:
    tracker = make(window__history=3, points__refresh=0.5)
    tracker.step(texture(0), QUERIES)
    for index in range(1, 20):
        tracker.step(texture(index))
    follower = tracker._follower
    assert len(follower._states) <= 5
    assert len(follower._sources) == 1


NAN = float('nan')


@pytest.mark.parametrize(
    'queries',
    [
        [[96.0, 10.0]],
        [[10.0, -0.6]],
        [[NAN, 1.0]],
        [[1.0, 2.0, 3.0]],
        np.zeros((0, 2)),
        [['a', 'b']],
        np.zeros((100_000, 2)),
    ],
)
def test_refuses_queries_that_are_no_points_of_the_image(queries: NDArray[np.float64]) -> None:
    tracker = make()
    tracker.step(texture(0), QUERIES)
    with pytest.raises(PromptError):
        tracker.set_points(queries)
    assert len(found(tracker.step(texture(1)))) == 3


def test_refuses_frames_that_are_not_kept_unknown_ids_and_too_many_frames() -> None:
    tracker = make(window__history=2, points__most_frames=2)
    with pytest.raises(PromptError):
        tracker.set_points(QUERIES)
    for index in range(5):
        tracker.step(texture(index))
    with pytest.raises(PromptError):
        tracker.set_points(QUERIES, STAMP)
    with pytest.raises(PromptError):
        tracker.set_points(QUERIES, frame_id='another camera')
    tracker.set_points(QUERIES)
    with pytest.raises(PromptError):
        tracker.remove_points([1, 9])
    assert tracker.ids.tolist() == [1, 2, 3]
    tracker.step(texture(5), QUERIES)
    with pytest.raises(PromptError):
        tracker.step(texture(6), QUERIES)


@pytest.mark.parametrize('decision', ['rules', 'learned'])
def test_after_a_cut_points_wait_until_their_view_is_back(decision: str) -> None:
    tracker = make(points__decision=decision)
    queries = np.random.default_rng(0).uniform([4, 4], [60, 60], (40, 2))
    for index in range(3):
        points = found(tracker.step(texture(index), queries if not index else None))
    assert points.visible.mean() > 0.9
    for index in range(3, 12):
        points = found(tracker.step(texture(index, seed=6)))
        assert not points.visible.any()
        assert not points.confidence.any()
    for index in range(3, 6):
        frame = texture(index)
        back = Frame(frame.image, frame.stamp + 9 * PERIOD, frame.frame_id, index + 9)
        points = found(tracker.step(back))
        np.testing.assert_allclose(np.median(points.positions - queries, 0), [4 * index, 0], atol=1)
        assert points.visible.mean() > 0.9


def test_to_go_back_within_a_cut_changes_nothing() -> None:
    queries = np.random.default_rng(0).uniform([4, 4], [60, 60], (40, 2))

    def followed(back: bool) -> NDArray[np.float32]:
        """Where they are in the other view by the end."""
        tracker = make(window__history=8)
        frames = [texture(i, seed=5 if i < 3 else 6) for i in range(8)]
        for frame in frames[:-1]:
            tracker.step(frame, None if frame.index else queries)
        if back:
            tracker.tracker.go_back_to(tracker.tracker.find(frames[5].stamp))
        tracker.step(frames[-1])
        return tracker._follower._trials[7].positions

    np.testing.assert_array_equal(followed(False), followed(True))


def test_points_named_in_a_new_view_are_followed_there() -> None:
    tracker = make()
    tracker.step(texture(0), QUERIES)
    tracker.step(texture(1, seed=6), QUERIES)
    points = found(tracker.step(texture(2, seed=6)))
    assert points.visible[3:].all()
    np.testing.assert_allclose(points.positions[3:], QUERIES + np.array([4, 0]), atol=2.1)


def test_another_view_of_the_same_things_is_gone_on_from() -> None:
    """The picture moves by half of itself at once, farther than anything is sought about it."""
    places = np.random.default_rng(0).uniform([50, 4], [92, 60], (40, 2))
    tracker = make(points__search=64)
    tracker.step(texture(0), places)
    tracker.step(texture(1), None)
    for step in range(3):  # 44 px to the left of where it would be
        frame = texture(-10 + step)
        later = Frame(frame.image, STAMP + (2 + step) * PERIOD, 'camera', 2 + step)
        points = found(tracker.step(later))
    near = np.linalg.norm(points.positions - places - [4 * -8, 0], axis=1) < 3
    assert (points.visible & near).mean() > 0.5


def test_where_points_do_not_go_with_motion_there_are_no_cuts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(Cuts, 'is_cut')
    tracker = make(points__motion='none', points__registration=False)
    tracker.step(texture(0), QUERIES)
    assert found(tracker.step(texture(1))).visible.all()
