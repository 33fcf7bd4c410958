"""Points go with what they are on, though it moves nearly like something else, and while hidden."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from clips import make_tracker
from moving_planes import camera, flows, scene
from neighbours import Neighbours

from drift_ros.points import PointTracker, carrying
from drift_ros.points.layers import follow as follow_layers
from drift_ros.points.matching import Vectors
from drift_ros.points.planes import transform
from drift_ros.points.registration import flatten, patches
from drift_ros.points.states import Path, State
from drift_ros.settings import PointSettings
from drift_ros.structures import Frame, TrackedPoints, TrackingResult

OUTSIDE = np.float32([[40, 40], [280, 210], [60.5, 200.25], [260, 40]])
INSIDE = np.float32([[135, 100], [150, 120], [180.5, 130.25], [200, 150]])
SPEED = (1.0, -0.5)


def follow(images: list[np.ndarray], queries: np.ndarray) -> list[TrackedPoints]:
    values = {'points__temperature': 0.01, 'points__radius': 1}
    tracker = PointTracker(make_tracker(extractor=Neighbours(), **values))
    found = []
    for index, image in enumerate(images):
        frame = Frame(image, 10**18 + index * 40_000_000, 'camera', index)
        for result in tracker.step(frame, queries if not index else None):
            assert isinstance(result, TrackingResult)
            assert result.points is not None
            found.append(result.points)
    return found


def test_points_of_what_moves_nearly_alike_stay_on_it() -> None:
    points = follow(scene(14, SPEED, pan=1.0), np.concatenate([OUTSIDE, INSIDE]))[-1]
    assert points.visible.all()
    background, thing = points.positions[:4], points.positions[4:]
    np.testing.assert_allclose(background, transform(camera(13, 1.0), OUTSIDE), atol=0.3)
    np.testing.assert_allclose(thing, INSIDE + 13 * np.array(SPEED), atol=0.3)


def test_covered_points_go_on_with_their_object_and_are_seen_again() -> None:
    speed = np.array([-2.5, 1.0])
    images = scene(14, (-2.5, 1.0))
    for image in images[6:12]:
        image[:, 120:170] = 127
    found = follow(images, INSIDE)
    truth = INSIDE + 10 * speed
    hidden = (truth[:, 0] > 132) & (truth[:, 0] < 158)
    assert hidden.any()
    assert not found[10].visible[hidden].any()
    np.testing.assert_allclose(found[10].positions[hidden], truth[hidden], atol=0.5)
    assert found[13].visible[hidden].all()
    np.testing.assert_allclose(found[13].positions, INSIDE + 13 * speed, atol=0.3)


def test_a_layer_takes_no_point_farther_than_one_image_beyond() -> None:
    images, size = scene(3, (-2.5, 1.0)), np.array([320, 240])
    queries = np.concatenate([OUTSIDE, INSIDE]).astype(np.float32)
    field = flows(images[:2])[0]
    layers = follow_layers(None, field)
    far = np.float32([[-319, 0], [639, 239], [1, 479], [0, -239]] * 2)
    state = State(
        ids=np.arange(8),
        born=np.zeros(8, int),
        places=torch.zeros(8, 2),
        positions=queries,
        small=field.now,
        visible=torch.ones(8, dtype=torch.bool),
        vectors=Vectors((), ()),
        layer=np.zeros(8, int),
        patches=patches(flatten(images[0]), queries),
        paths={0: Path(far, np.zeros(8, np.float32))},
        layers=layers,
    )
    zoom = np.diag([9.0, 9.0, 1.0])
    step = replace(layers, motions={0: zoom})
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(carrying, 'follow', lambda before, flow: step)
        found = carrying.carry(state, field, PointSettings(), flatten(images[2]))
    places = found.paths[0].places
    assert ((places >= -size) & (places <= 2 * size)).all()
    assert (np.abs(places) == np.abs(np.where(far < 0, -size, 2 * size))).any(1).all()
