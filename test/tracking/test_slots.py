from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from drift_ros.tracking.slots import strongest


@given(
    seed=st.integers(0, 10_000),
    slots=st.integers(1, 6),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    values=st.integers(1, 4),
)
def test_the_lowest_of_equal_slots_wins(
    seed: int, slots: int, height: int, width: int, values: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    soft = torch.randint(values, (slots, height, width), generator=generator).float()
    expected = torch.full((height, width), slots - 1)
    for slot in reversed(range(slots)):
        expected[soft[slot] == soft.amax(0)] = slot
    assert torch.equal(strongest(soft), expected)
