from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from drift_ros.propagation import confidences, one_hot, read_labels


@settings(deadline=None)
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    rows=st.integers(1, 9),
    columns=st.integers(1, 9),
    seed=st.integers(0, 99),
)
def test_one_hot_samples_as_pil_does(
    height: int, width: int, rows: int, columns: int, seed: int
) -> None:
    slots = np.random.default_rng(seed).integers(0, 2, (height, width)).astype(np.uint8)
    found = one_hot(slots, 2, (rows, columns)).argmax(0).numpy()
    expected = np.array(Image.fromarray(slots).resize((columns, rows), Image.Resampling.NEAREST))
    if slots.any() == expected.any():  # otherwise the target is too small, see below
        np.testing.assert_array_equal(found, expected)


def test_a_target_smaller_than_a_cell_is_kept() -> None:
    slots = np.zeros((64, 64), np.uint8)
    slots[33, 41] = 1
    slots[1:30, 1:30] = 2
    hard = one_hot(slots, 3, (8, 8))
    assert hard[1].nonzero().tolist() == [[4, 5]]
    assert torch.equal(hard.sum(0), torch.ones(8, 8))


def test_two_targets_in_one_cell_are_both_kept() -> None:
    slots = np.zeros((64, 64), np.uint8)
    slots[33, 41], slots[33, 42], slots[34, 46] = 1, 2, 3  # all in cell (4, 5)
    hard = one_hot(slots, 4, (8, 8))
    assert hard[1].nonzero().tolist() == [[4, 5]]
    assert hard[2].nonzero().tolist() == [[3, 5]]
    assert hard[3].nonzero().tolist() == [[4, 6]]


def test_a_rescued_target_takes_no_other_targets_only_cell() -> None:
    slots = np.zeros((16, 16), np.uint8)
    slots[4, 4] = 1  # the sample of its cell
    slots[3:6, 3:6][[0, 0, 2, 2], [0, 2, 0, 2]] = 2
    hard = one_hot(slots, 3, (2, 2))
    assert hard.argmax(0).tolist()[0][0] == 1
    assert hard[2].sum() == 1


@settings(deadline=None)
@given(
    targets=st.integers(1, 254),
    rows=st.integers(1, 16),
    columns=st.integers(1, 16),
    seed=st.integers(0, 99),
)
def test_no_target_is_lost_while_there_is_room(
    targets: int, rows: int, columns: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    slots = np.zeros((40, 50), np.uint8)
    pixels = random.permutation(slots.size if seed % 2 else 300)[:targets]  # spread, or crowded
    slots.ravel()[pixels] = np.arange(1, targets + 1)
    hard = one_hot(slots, targets + 1, (rows, columns))
    assert torch.equal(hard.sum(0), torch.ones(rows, columns))
    kept = int((hard[1:].sum((1, 2)) > 0).sum())
    assert kept == min(targets, rows * columns)


def test_read_labels_by_hand() -> None:
    """Min-max makes a weak but peaked target win over a strong flat background."""
    soft = torch.tensor([[[0.9, 0.8, 0.9, 0.9]], [[0.1, 0.2, 0.1, 0.1]]])
    assert read_labels(soft, 1, (1, 4)).tolist() == [[0, 1, 0, 0]]


@pytest.mark.parametrize('classes', [2, 17, 40])
def test_read_labels_equals_the_plain_protocol(classes: int) -> None:
    torch.manual_seed(0)
    soft = torch.rand(classes, 5, 7)
    fine = torch.nn.functional.interpolate(soft[None], scale_factor=8, mode='bilinear')[0]
    flat = fine.flatten(1)
    low, high = flat.min(1).values, flat.max(1).values
    scaled = (fine - low[:, None, None]) / (high - low)[:, None, None]
    slots = scaled.argmax(0).numpy().astype(np.uint8)
    expected = np.array(Image.fromarray(slots).resize((90, 61), Image.Resampling.NEAREST))
    different = read_labels(soft, 8, (61, 90)) != expected
    assert different.mean() < 1e-3  # two channels may tie up to rounding


def test_empty_and_full_channels_do_not_divide_by_zero() -> None:
    full = torch.stack([torch.zeros(3, 3), torch.ones(3, 3), torch.zeros(3, 3)])
    assert (read_labels(full, 4, (12, 12)) == 1).all()
    nothing = torch.stack([torch.ones(3, 3), torch.zeros(3, 3)])
    assert (read_labels(nothing, 4, (12, 12)) == 0).all()


def test_confidence_is_the_mean_over_owned_cells() -> None:
    soft = torch.tensor([[[0.6, 0.2]], [[0.4, 0.8]], [[0.0, 0.1]]])
    found = confidences(soft, torch.tensor([[0, 1]]))
    torch.testing.assert_close(found, torch.tensor([0.6, 0.8, 0.1]))
