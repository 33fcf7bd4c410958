"""Clicks that are spread to the object by the tracker's own extractor."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from clips import Colours, blue_mask, clip_frame, iou, red_mask

from drift_ros.descriptors import Descriptors
from drift_ros.features.base import Window
from drift_ros.prompts.prompt import Prompt
from drift_ros.settings import TrackerSettings, build
from drift_ros.tracking import Tracker
from drift_ros.tracking.spreading import SpreadSegmenter

IMAGE = clip_frame(0).image


class AttendedColours(Colours):
    """One head, sharp."""

    heads = (('0.0', 0),)

    def extract(self, window: Window) -> Descriptors:
        found = super().extract(window)
        unit = torch.nn.functional.normalize(found.features, dim=1)
        return Descriptors((20 * unit,), (unit,), found.stride)


def core(mask: np.ndarray) -> np.ndarray:
    """(1, 2) x, y of the middle of a mask."""
    return np.argwhere(mask).mean(0)[None, ::-1].round()


def click(*places: np.ndarray, off: int = 0, **more: Any) -> Prompt:
    """Points on the object, of which the last `off` are not on it."""
    points = np.concatenate(places)
    labels = np.ones(len(points), np.uint8)
    labels[len(points) - off :] = 0
    return Prompt(points=points, point_labels=labels, **more)


def segment(*prompts: Prompt, extractor: Any = None) -> list[np.ndarray]:
    settings = build(TrackerSettings, {'features.resolution': 0})
    return SpreadSegmenter(extractor or AttendedColours(), settings).segment(IMAGE, prompts)


@pytest.mark.parametrize('extractor', [Colours, AttendedColours])
def test_a_click_becomes_its_object(extractor: type[Colours]) -> None:
    red, blue = segment(click(core(red_mask(0))), click(core(blue_mask(0))), extractor=extractor())
    assert iou(red, red_mask(0)) > 0.8
    assert iou(blue, blue_mask(0)) > 0.8


def test_a_box_and_a_rough_mask_become_their_object() -> None:
    rows, columns = np.nonzero(red_mask(0))
    left, top = columns.min() - 2, rows.min() - 2
    box = np.array([[left, top, columns.max() + 3 - left, rows.max() + 3 - top]], float)
    rough = np.roll(red_mask(0), 3, 1)
    for prompt in (Prompt(boxes=box), click(core(red_mask(0)), mask=rough)):
        (found,) = segment(prompt)
        assert iou(found, red_mask(0)) > 0.8


def test_what_is_not_on_the_object_stays_off_it() -> None:
    (found,) = segment(click(core(red_mask(0)), core(blue_mask(0)), off=1))
    assert not found[blue_mask(0)].any() and found[red_mask(0)].mean() > 0.8


def test_a_mask_alone_is_taken_as_it_is() -> None:
    extractor = AttendedColours()
    (found,) = segment(Prompt(mask=blue_mask(0)), extractor=extractor)
    assert np.array_equal(found, blue_mask(0)) and not extractor.windows


@pytest.mark.parametrize('features', ['embedded', 'embedded-attention'])
def test_it_works_with_the_model_that_comes_with_the_package(features: str) -> None:
    settings = build(
        TrackerSettings,
        {'features.name': features, 'features.device': 'cpu', 'prompts.backend': 'spread'},
    )
    tracker = Tracker.from_settings(settings)
    tracker.step(clip_frame(0))
    preview = tracker.set_targets([click(core(red_mask(0)))])
    assert iou(preview.labels == preview.ids[0], red_mask(0)) > 0.5
