"""A closer look at small discs: of one colour, described by the colours of cells of 8 px; and of a
pattern, by the embedded model.
"""

from __future__ import annotations

import gc
import math

import cv2
import numpy as np
import pytest
import torch
from clips import GivenMasks, iou
from numpy.typing import NDArray
from torch import Tensor

from drift_ros import features
from drift_ros.descriptors import Descriptors
from drift_ros.features import FeatureExtractor
from drift_ros.features.colour import add_colours
from drift_ros.prompts import Prompt
from drift_ros.settings import FeatureSettings, TrackerSettings, build
from drift_ros.structures import Frame, TrackingResult
from drift_ros.tracking import Tracker
from drift_ros.tracking.anchors import Anchor, search, unit_features
from drift_ros.tracking.close_ups import CloseUps, Image, Look

STRIDE = 8
RED, GREEN = (220, 30, 30), (40, 160, 60)
SIZES = [(240, 320), (480, 640)]  # of the camera; the network always sees 240x320


def describe(image: Image, size: tuple[float, float]) -> Descriptors:
    height, width = (STRIDE * max(1, round(side / STRIDE)) for side in size)
    part = torch.from_numpy(cv2.resize(image, (width, height))).permute(2, 0, 1)[None]
    cells = torch.ones((1, 1, height // STRIDE, width // STRIDE))
    return add_colours(Descriptors.of(cells, STRIDE), part, 100.0)


def disc(size: tuple[int, int], middle: tuple[float, float], radius: float) -> NDArray[np.uint8]:
    """1 where a disc is whose place (y, x) and radius are in shares of the height of an image."""
    height, width = size
    y, x = np.mgrid[:height, :width] / height
    return (np.hypot(y - middle[0], x - middle[1]) <= radius).astype(np.uint8)


def picture(labels: NDArray[np.uint8]) -> Image:
    return np.where(labels[..., None] > 0, np.uint8(RED), np.uint8(GREEN))


def features_of(image: Image) -> Tensor:
    return unit_features(describe(image, (240, 320)))


def known(size: tuple[int, int], radius: float) -> tuple[CloseUps, Anchor]:
    labels = disc(size, (0.3, 0.3), radius)
    label = torch.from_numpy(cv2.resize(labels.astype(np.float32), (40, 30), interpolation=3))
    features = features_of(picture(labels))
    anchor = Anchor.of(0, features, label, label)
    close_ups = CloseUps(describe)
    close_ups.remember(anchor, picture(labels), labels, 1)
    return close_ups, anchor


def look(
    size: tuple[int, int], middle: tuple[float, float], radius: float, at: float = 0.06
) -> tuple[Look | None, float]:
    """At a disc, of one that is known with another radius; and its true area in cells."""
    close_ups, anchor = known(size, at)
    labels = disc(size, middle, radius)
    image, free = picture(labels), torch.ones((30, 40), dtype=torch.bool)
    (place,) = search(features_of(image), [anchor], free)
    found = close_ups.look(place, [anchor], image, free, STRIDE)
    return found, float(labels.sum()) * 30 * 40 / labels.size


@pytest.mark.parametrize('size', SIZES)
@pytest.mark.parametrize('middle', [(0.5, 0.5), (0.513, 0.721), (0.67, 1.04), (0.71, 0.432)])
@pytest.mark.parametrize('radius', [0.055, 0.06, 0.065])
def test_the_size_of_a_small_thing_is_measured(
    size: tuple[int, int], middle: tuple[float, float], radius: float
) -> None:
    found, area = look(size, middle, radius)
    assert found is not None and found.place.whole
    assert found.place.area == pytest.approx(area, rel=0.06)
    assert found.place.length / found.lengths[0] == pytest.approx(radius / 0.06, rel=0.04)
    assert found.place.middle == pytest.approx(np.multiply(middle, 30) - 0.5, abs=0.3)
    assert min(found.match) > 0.9 and found.place.similarity > 0.9


def test_what_the_border_cuts_off_is_not_whole() -> None:
    found, area = look(SIZES[0], (0.5, 0.03), 0.06)
    assert found is not None and not found.place.whole
    assert found.place.area == pytest.approx(area, rel=0.15)


def test_where_the_target_must_not_be_it_is_not_seen() -> None:
    close_ups, anchor = known(SIZES[0], 0.06)
    image = picture(disc(SIZES[0], (0.5, 0.5), 0.06))
    anywhere = torch.ones((30, 40), dtype=torch.bool)
    (place,) = search(features_of(image), [anchor], anywhere)
    assert close_ups.look(place, [anchor], image, ~anywhere, STRIDE) is None


def test_nor_where_something_else_is_from_close() -> None:
    close_ups, anchor = known(SIZES[0], 0.06)
    image = picture(disc(SIZES[0], (0.5, 0.5), 0.06))
    anywhere = torch.ones((30, 40), dtype=torch.bool)
    (place,) = search(features_of(image), [anchor], anywhere)
    nothing = picture(np.zeros(SIZES[0], np.uint8))
    assert close_ups.look(place, [anchor], nothing, anywhere, STRIDE) is None


@pytest.mark.parametrize('radius', [0.02, 0.06, 0.13, 0.3])
def test_only_what_is_small_is_looked_at_closely(radius: float) -> None:
    close_ups, anchor = known(SIZES[0], radius)
    assert anchor.area == pytest.approx(math.pi * (30 * radius) ** 2, rel=0.05)
    assert close_ups.knows(anchor) == (radius < 0.15)


def test_what_is_kept_goes_with_the_anchor() -> None:
    close_ups, anchor = known(SIZES[0], 0.06)
    image = picture(disc(SIZES[0], (0.5, 0.5), 0.06))
    anywhere = torch.ones((30, 40), dtype=torch.bool)
    (place,) = search(features_of(image), [anchor], anywhere)
    close_ups.look(place, [anchor], image, anywhere, STRIDE)
    assert close_ups.kept == 1
    del anchor
    gc.collect()
    assert close_ups.kept == 0


def cloth(rng: np.random.Generator, grain: float, colour: NDArray[np.float64]) -> Image:
    """(240, 320, 3) a random texture about a colour."""
    grey = cv2.GaussianBlur(rng.normal(0, 1, (240, 320, 3)).astype(np.float32), (0, 0), grain)
    return np.clip(colour + 35 * grey / grey.std(), 0, 255).astype(np.uint8)


@pytest.fixture(scope='module')
def embedded() -> FeatureExtractor:
    return features.create(FeatureSettings(name='embedded', device='cpu'))


@pytest.mark.parametrize(('radius', 'seed'), [(16, 1), (18, 2), (20, 0)])
@pytest.mark.parametrize('close', [True, False])
def test_a_small_thing_that_comes_back_elsewhere_is_found(
    radius: int, seed: int, close: bool, embedded: FeatureExtractor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A patterned disc before a pattern, 320x240 px, of 13 to 20 cells, out of sight for 1.1 s."""
    if not close:
        monkeypatch.setattr('drift_ros.tracking.close_ups.SMALL', 0.0)
    rng = np.random.default_rng(seed)
    behind = cloth(rng, 6, rng.uniform(60, 190, 3))
    pattern = cloth(rng, 3, rng.uniform(40, 215, 3))
    y, x = np.mgrid[:240, :320]
    settings = build(TrackerSettings, {'features.name': 'embedded', 'features.resolution': 0})
    tracker = Tracker(embedded, GivenMasks(), settings)
    before, after = (
        [(60 + 4 * i, 80 + 2 * i) for i in range(6)],
        [(250, 170), (247, 168), (244, 166)],
    )
    overlaps = []
    for index, place in enumerate([*before, *[None] * 14, *after]):
        image, truth = behind.astype(np.float32), np.zeros((240, 320), bool)
        if place is not None:
            truth = np.hypot(y - place[1], x - place[0]) <= radius
            image[truth] = np.roll(pattern, (place[1], place[0]), (0, 1))[truth]
        image = cv2.GaussianBlur(image, (0, 0), 0.7) + rng.normal(0, 2, image.shape)
        frame = Frame(np.clip(image, 0, 255).astype(np.uint8), stamp=(index + 1) * 80_000_000)
        (result,) = tracker.step(frame, [Prompt(id=1, mask=truth)] if index == 0 else [])
        assert isinstance(result, TrackingResult)
        overlaps.append(iou(result.labels == 1, truth) if truth.any() else result.labels.any())
    assert not any(overlaps[12:20])
    assert (min(overlaps[-2:]) > 0.85) == close


def test_long_thin_things_are_not_looked_at_closely() -> None:
    """A close-up would be many times as large as the frame."""
    labels = np.eye(240, 320, dtype=np.uint8)
    image = picture(labels)
    label = torch.from_numpy(cv2.resize(labels.astype(np.float32), (40, 30), interpolation=3))
    anchor = Anchor.of(0, features_of(image), label, label)
    close_ups = CloseUps(describe)
    close_ups.remember(anchor, image, labels, 1)
    assert anchor.area < 64
    assert not close_ups.knows(anchor)
