"""Trails of points over frames."""

from __future__ import annotations

import numpy as np

from drift_ros.structures import TrackedPoints
from drift_ros.visualization.trails import Trails, colour_of


def points(x: float, seen: bool = True, generation: int = 1) -> TrackedPoints:
    return TrackedPoints(
        np.array([3]),
        np.array([[x, 20]], np.float32),
        np.array([seen]),
        np.array([1], np.float32),
        generation,
    )


def picture() -> np.ndarray:
    return np.full((40, 80, 3), 90, np.uint8)


def test_a_visible_point_is_a_dot_at_the_end_of_its_trail() -> None:
    trails = Trails()
    trails.draw(picture(), points(20))
    drawn = picture()
    trails.draw(drawn, points(50))
    assert tuple(drawn[20, 50]) == colour_of(3)
    assert (drawn[20, 21:46] != 90).any(1).all()
    assert (drawn[:16] == 90).all()


def test_a_hidden_point_is_a_ring_without_a_trail() -> None:
    trails = Trails()
    trails.draw(picture(), points(20))
    drawn = picture()
    trails.draw(drawn, points(50, seen=False))
    assert (drawn[20, 21:44] == 90).all()
    assert (drawn[20, 50] == 90).all()
    assert (drawn != 90).any()


def test_trails_end_with_their_generation_and_where_points_leave() -> None:
    trails = Trails()
    trails.draw(picture(), points(20))
    drawn = picture()
    trails.draw(drawn, points(50, generation=2))
    assert (drawn[20, 21:44] == 90).all()
    nowhere = points(float('nan'))
    trails.draw(picture(), nowhere)
    trails.draw(picture(), None)
    far = picture()
    trails.draw(far, points(1e9, generation=2))
    assert (far == 90).all()
