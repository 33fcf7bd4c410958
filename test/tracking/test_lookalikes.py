"""Two discs that look the same pass in front of each other; labels do not know which is which."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from drift_ros.settings import TargetSettings
from drift_ros.structures import Frame, TargetState
from drift_ros.tracking.lookalikes import LookAlikes
from drift_ros.tracking.measure import measure
from drift_ros.tracking.optical_flow import Flow, small_grey
from drift_ros.tracking.states import TargetStates

H, W, CELL, RADIUS = 240, 320, 8, 24
GRID = (H // CELL, W // CELL)
FRAMES = 30
Labels = NDArray[np.uint8]


def texture(seed: int, height: int, width: int) -> Labels:
    noise = np.random.default_rng(seed).integers(0, 255, (height, width, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2)
    return ((smooth - smooth.min()) / np.ptp(smooth) * 255).astype(np.uint8)


FLOOR, SKIN = texture(0, H, W), texture(1, 2 * RADIUS + 1, 2 * RADIUS + 1)
DISC = np.hypot(*np.mgrid[-RADIUS : RADIUS + 1, -RADIUS : RADIUS + 1]) <= RADIUS


def view(*places: tuple[int, int, int]) -> tuple[Labels, Labels]:
    """An image and its true ids: discs (id, x, y), the later ones in front."""
    image, labels = FLOOR.copy(), np.zeros((H, W), np.uint8)
    for id_, x, y in places:
        part = slice(y - RADIUS, y + RADIUS + 1), slice(x - RADIUS, x + RADIUS + 1)
        image[part][DISC] = SKIN[DISC]
        labels[part][DISC] = id_
    return image, labels


def crossing(index: int) -> tuple[Labels, Labels]:
    """Disc 2 goes left behind disc 1, which goes right: frames 10 to 19 show them touching."""
    return view((2, 232 - 5 * index, 112), (1, 88 + 5 * index, 120))


def overlap(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    return float((a & b).sum() / max(1, (a | b).sum()))


class Loop:
    """What the propagation of masks does around `LookAlikes`; labels are read by the maximum."""

    def __init__(self, ids: tuple[int, ...] = (1, 2)) -> None:
        self.slots = {id_: slot for slot, id_ in enumerate(ids, 1)}
        self.states = TargetStates(TargetSettings(), 64)
        self.lookalikes = LookAlikes(64)
        self.alike = torch.zeros((len(ids) + 1,) * 2, dtype=torch.bool)
        self.alike[1:, 1:] = ~torch.eye(len(ids), dtype=torch.bool)

    def step(self, index: int, image: Labels, claimed: Labels) -> Labels:
        """The labels of a frame, of those that the propagation claims."""
        if not index:
            self.lookalikes.introduce(image, {i: claimed == i for i in self.slots})
        frame = Frame(image, index * 10**8, 'camera', index)
        soft = torch.zeros((len(self.slots) + 1, *GRID))
        for id_, slot in self.slots.items():
            share = cv2.resize((claimed == id_).astype(np.float32), GRID[::-1], None, 0, 0, 3)
            soft[slot] = torch.from_numpy(share)
        soft[0] = 1 - soft[1:].sum(0)
        kept = soft.clone()
        expected = self.states.expect(index, frame)
        found, partly = self.lookalikes.separate(frame, soft, self.slots, self.alike, expected)
        torch.testing.assert_close(found.sum(0), soft.sum(0))
        torch.testing.assert_close(found[0], soft[0])
        assert torch.equal(soft, kept)  # what was given stays as it is
        owners = found.argmax(0).numpy().astype(np.uint8).repeat(CELL, 0).repeat(CELL, 1)
        table = np.array([0, *self.slots], np.uint8)
        labels = table[owners]
        labels[claimed == 0] = 0
        objects = measure(labels, dict.fromkeys(self.slots, ''), dict.fromkeys(self.slots, 0.9))
        objects = self.states.observe(index, frame, objects, partly=partly)
        self.lookalikes.observe(index, frame, labels, objects, GRID, partly)
        return labels


def confused(index: int, truth: Labels) -> Labels:
    """From the contact on, the labels of both discs are those of disc 1."""
    return truth if index < 11 else (truth > 0).astype(np.uint8)


def swapped(index: int, truth: Labels) -> Labels:
    """From the contact on, the labels are exchanged."""
    return truth if index < 11 else np.array([0, 2, 1], np.uint8)[truth]


def unsure(index: int, truth: Labels) -> Labels:
    """From the contact on, every other row of cells is of the other one."""
    rows = (np.arange(H) // CELL % 2 == 0)[:, None] & (truth > 0)
    return truth if index < 11 else np.where(rows, 3 - truth, truth).astype(np.uint8)


@pytest.mark.parametrize('claim', [confused, unsure])
def test_discs_that_passed_keep_their_ids(claim: Callable[[int, Labels], Labels]) -> None:
    loop = Loop()
    for index in range(FRAMES):
        image, truth = crossing(index)
        labels = loop.step(index, image, claim(index, truth))
    for id_ in (1, 2):
        assert overlap(labels == id_, truth == id_) > 0.9


def test_what_touches_is_divided_by_the_flow() -> None:
    loop = Loop()
    scores = []
    for index in range(20):
        image, truth = crossing(index)
        labels = loop.step(index, image, unsure(index, truth))
        scores += [overlap(labels == 1, truth == 1)]
    assert min(scores) > 0.5


def test_labels_that_are_right_stay() -> None:
    loop = Loop()
    for index in range(9):  # apart
        image, truth = crossing(index)
        labels = loop.step(index, image, truth)
        assert np.array_equal(labels[labels > 0], truth[labels > 0])


def test_going_back_forgets() -> None:
    straight, detour = Loop(), Loop()
    for index in range(16):
        image, truth = crossing(index)
        expected = straight.step(index, image, confused(index, truth))
        found = detour.step(index, image, confused(index, truth))
    for index in (14, 15):
        if index == 14:
            detour.states.go_back_to(14)
            detour.lookalikes.go_back_to(14)
        image, truth = crossing(index)
        found = detour.step(index, image, confused(index, truth))
    assert np.array_equal(found, expected)


def test_only_those_that_look_alike_take_from_each_other() -> None:
    """Disc 3 looks like neither; it leaves, and comes to lie where disc 2 is expected."""
    loop = Loop((1, 2, 3))
    loop.alike[3] = loop.alike[:, 3] = False
    for index in range(8):
        image, truth = view((1, 60 + 5 * index, 60), (2, 250 - 5 * index, 60), (3, 150, 180))
        loop.step(index, image, truth)
    image, truth = view((1, 100, 60), (3, 210, 60))
    labels = loop.step(8, image, truth)
    assert set(np.unique(labels)) == {0, 1, 3}
    assert np.array_equal(labels[labels > 0], truth[labels > 0])


def test_those_of_other_colours_are_left_alone() -> None:
    loop = Loop()
    for index in range(14):
        image, truth = crossing(index)
        image[truth == 2] = 255 - image[truth == 2] // 3 * (1, 0, 0)
        claim = swapped(index, truth)
        labels = loop.step(index, np.ascontiguousarray(image, np.uint8), claim)
    assert all(overlap(labels == id_, claim == id_) > 0.7 for id_ in (1, 2))


def test_one_that_is_lost_takes_no_other() -> None:
    loop = Loop()
    for index in range(6):
        image, truth = view((1, 80, 60), (2, 260, 180))
        loop.step(index, image, truth)
    for index in range(6, 90):  # 2 is away
        loop.step(index, *view((1, 80, 60)))
    image, torn = view((1, 80, 60), (1, 200, 180))
    labels = loop.step(90, image, torn)
    lost = loop.states.expect(91, Frame(image, 91 * 10**8, 'camera', 91))[2]
    assert lost.state == TargetState.LOST and not (labels == 2).any()


def test_flow_carries_labels_and_says_how_far() -> None:
    before, ids = view((1, 100, 100), (2, 240, 100))
    now, truth = view((1, 106, 103), (2, 240, 100))
    flow = Flow.between(small_grey(before), small_grey(now))
    carried = flow.carried(ids)
    seen = carried < 255
    assert seen.mean() > 0.9 and (carried == truth)[seen].mean() > 0.98
    moved = flow.movement(ids == 1, 20)
    assert moved == pytest.approx((6, 3), abs=0.3)
    assert flow.movement(ids == 2, 20) == pytest.approx((0, 0), abs=0.3)
    assert flow.movement(ids == 3, 20) is None and flow.movement(ids == 1, 10**6) is None


def test_small_images_are_left_alone() -> None:
    loop = Loop()
    tiny = Frame(np.zeros((12, 40, 3), np.uint8), 0, 'camera', 0)
    soft = torch.zeros((3, 1, 5))
    found = loop.lookalikes.separate(tiny, soft, loop.slots, loop.alike, {})
    assert found[0] is soft and not found[1]
