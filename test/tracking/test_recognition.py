"""Places are looked at by the network that compares views; and what comes back is found by it."""

from __future__ import annotations

import gc

import cv2
import numpy as np
import pytest
import torch
from clips import GivenMasks, iou
from discs import ANYWHERE, BLUE, GRID, SIZE, Image, anchor_of, cells, disc, picture
from numpy.typing import NDArray

from drift_ros import features
from drift_ros.features import FeatureExtractor
from drift_ros.prompts import Prompt
from drift_ros.recognition import Recognizer
from drift_ros.settings import FeatureSettings, TrackerSettings, build
from drift_ros.structures import Frame, TrackingResult
from drift_ros.tracking import Tracker
from drift_ros.tracking.anchors import Anchor
from drift_ros.tracking.recognition import Place, Recognition
from drift_ros.tracking.search import Point


def middle(mask: NDArray[np.bool_]) -> Point:
    return Place.of(cells(mask), 0, 0, 1).middle


@pytest.fixture
def recognition() -> Recognition:
    return Recognition(Recognizer.load(torch.device('cpu')))


@pytest.mark.parametrize('radius', [20.0, 24.0, 28.0])
def test_a_place_gets_the_outline_and_scale_of_the_target(
    recognition: Recognition, radius: float
) -> None:
    before = disc(90, 100, 24)
    anchor = anchor_of(before)
    recognition.remember(anchor, picture(before), before)
    now = disc(220, 130, radius)
    part = middle(now & disc(215, 128, 16))  # what labels say of it
    found = recognition.look(part, [anchor], picture(now), ANYWHERE)
    assert found is not None
    assert found.scale == pytest.approx(np.log(radius / 24), abs=0.05)
    assert float(found.label.sum()) == pytest.approx(float(cells(now).sum()), rel=0.12)
    scale = recognition.scale(part, [anchor], picture(now), GRID)
    assert scale == pytest.approx(found.scale)


def test_what_is_not_the_target_or_lies_where_it_cannot_be_is_no_place(
    recognition: Recognition,
) -> None:
    before, now = disc(90, 100, 24), disc(220, 130, 24)
    anchor = anchor_of(before)
    recognition.remember(anchor, picture(before), before)
    assert recognition.look(middle(now), [anchor], picture(now), ANYWHERE) is not None
    assert recognition.look(middle(now), [anchor], picture(now), ~ANYWHERE) is None
    nothing = picture(np.zeros(SIZE, bool))
    assert recognition.look(middle(now), [anchor], nothing, ANYWHERE) is None


def test_a_place_is_denied_where_no_anchor_is_seen(recognition: Recognition) -> None:
    before, now = disc(90, 100, 24), disc(220, 130, 24)
    anchor, other = anchor_of(before), anchor_of(before, 1)
    recognition.remember(anchor, picture(before), before)
    recognition.remember(other, picture(before, BLUE), before)
    nothing = picture(np.zeros(SIZE, bool))
    for anchors in ([anchor], [anchor, other], [other, anchor]):
        assert recognition.denies((220, 130), anchors, nothing)
        assert not recognition.denies((220, 130), anchors, picture(now))


def test_a_mask_is_missed_where_the_target_is_elsewhere_or_nowhere(
    recognition: Recognition,
) -> None:
    before, now, beside = disc(90, 100, 24), disc(220, 130, 24), disc(272, 130, 12)
    anchor = anchor_of(before)
    recognition.remember(anchor, picture(before), before)
    nothing = picture(np.zeros(SIZE, bool))
    assert not recognition.misses((220, 130), [anchor], picture(now), now)
    assert not recognition.misses((220, 130), [anchor], picture(now), now & disc(205, 130, 20))
    assert recognition.misses((260, 130), [anchor], picture(now), beside)
    assert recognition.misses((220, 130), [anchor], nothing, now)


def test_what_the_border_cuts_off_is_recognized_by_the_rest(recognition: Recognition) -> None:
    before, now = disc(90, 100, 24), disc(305, 130, 24)
    anchor = anchor_of(before)
    recognition.remember(anchor, picture(before), before)
    found = recognition.look(middle(now), [anchor], picture(now), ANYWHERE)
    assert found is not None and abs(found.scale) < 0.1
    assert found.area == pytest.approx(float(cells(now).sum()), rel=0.12)


def test_the_newest_anchor_that_is_seen_tells(recognition: Recognition) -> None:
    before, nearer, now = disc(90, 100, 24), disc(90, 100, 28), disc(220, 130, 28)
    given, last = anchor_of(before), anchor_of(nearer, 1)
    recognition.remember(given, picture(before), before)
    recognition.remember(last, picture(nearer), nearer)

    def scale(*anchors: Anchor) -> float:
        found = recognition.look(middle(now), anchors, picture(now), ANYWHERE)
        assert found is not None
        return found.scale

    assert scale(given, last) == scale(last) != scale(given)
    assert scale(given) == pytest.approx(np.log(28 / 24), abs=0.05)


def test_views_go_with_their_anchors(recognition: Recognition) -> None:
    before = disc(90, 100, 24)
    anchor = anchor_of(before)
    recognition.remember(anchor, picture(before), before)
    assert len(recognition._views) == 1
    del anchor
    gc.collect()
    assert not len(recognition._views)


def cloth(rng: np.random.Generator, grain: float, colour: NDArray[np.float64]) -> Image:
    """(240, 320, 3) a random texture about a colour."""
    grey = cv2.GaussianBlur(rng.normal(0, 1, (240, 320, 3)).astype(np.float32), (0, 0), grain)
    return np.clip(colour + 35 * grey / grey.std(), 0, 255).astype(np.uint8)


@pytest.fixture(scope='module')
def embedded() -> FeatureExtractor:
    return features.create(FeatureSettings(name='embedded', device='cpu'))


@pytest.mark.parametrize(('radius', 'seed'), [(16, 1), (18, 2), (20, 0)])
@pytest.mark.parametrize('wider', [1.0, 1.35])
def test_a_small_thing_that_comes_back_is_found_and_a_wider_one_is_not_taken_for_it(
    radius: int, seed: int, wider: float, embedded: FeatureExtractor
) -> None:
    """A patterned disc before a pattern, 320x240 px, of 13 to 20 cells, out of sight for 1.1 s."""
    rng = np.random.default_rng(seed)
    behind = cloth(rng, 6, rng.uniform(60, 190, 3))
    pattern = cloth(rng, 3, rng.uniform(40, 215, 3))
    wide = cv2.resize(pattern, None, fx=wider, fy=wider)[:240, :320]
    y, x = np.mgrid[:240, :320]
    settings = build(TrackerSettings, {'features.name': 'embedded', 'features.resolution': 0})
    tracker = Tracker(embedded, GivenMasks(), settings)
    before = [(60 + 4 * i, 80 + 2 * i) for i in range(6)]
    after = [(250, 170), (247, 168), (244, 166), (241, 164)]
    overlaps = []
    for index, place in enumerate([*before, *[None] * 14, *after]):
        image, truth = behind.astype(np.float32), np.zeros((240, 320), bool)
        if place is not None:
            own, size = (pattern, radius) if index < 6 else (wide, wider * radius)
            truth = np.hypot(y - place[1], x - place[0]) <= size
            image[truth] = np.roll(own, (place[1], place[0]), (0, 1))[truth]
        image = cv2.GaussianBlur(image, (0, 0), 0.7) + rng.normal(0, 2, image.shape)
        frame = Frame(np.clip(image, 0, 255).astype(np.uint8), stamp=(index + 1) * 80_000_000)
        (result,) = tracker.step(frame, [Prompt(id=1, mask=truth)] if index == 0 else [])
        assert isinstance(result, TrackingResult)
        overlaps.append(iou(result.labels == 1, truth) if truth.any() else result.labels.any())
    assert not any(overlaps[12:20])
    if wider == 1:
        assert overlaps[-1] > 0.8
    else:
        assert not any(overlaps[-4:])
