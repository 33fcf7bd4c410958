from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from drift_ros.descriptors import Descriptors
from drift_ros.propagation import Memory

CHANNELS, GRID = 2, (2, 3)


def descriptors(frame: int, dtype: torch.dtype = torch.float32) -> Descriptors:
    """Two maps on two grids, whose keys are not the queries."""
    keys = torch.full((1, CHANNELS, *GRID), frame, dtype=dtype), torch.full((1, 3, 1, 1), frame)
    return Descriptors(tuple(-k for k in keys), keys, 8)


def labels(frame: int, classes: int = 2) -> Tensor:
    out = torch.zeros(classes, *GRID)
    out[frame % classes] = frame + 1
    return out


def content(memory: Memory) -> dict[int, float]:
    """Frame number -> value of its keys, read through the public views."""
    if not len(memory):
        return {}
    fine, coarse = memory.keys
    assert fine.shape == (len(memory), CHANNELS, *GRID) and coarse.shape == (len(memory), 3, 1, 1)
    values = fine[:, 0, 0, 0].tolist()
    assert coarse[:, 0, 0, 0].tolist() == values
    sums = memory.labels.sum((1, 2, 3)).div(GRID[0] * GRID[1]).tolist()
    assert sums == [f + 1 for f in memory.frames]
    return dict(zip(memory.frames, values, strict=True))


@settings(deadline=None)
@given(
    recent=st.integers(0, 5),
    room=st.integers(1, 3),
    steps=st.lists(
        st.one_of(
            st.just('recent'), st.just('reference'), st.tuples(st.just('back'), st.integers(0, 12))
        ),
        max_size=30,
    ),
)
def test_holds_what_a_list_would_hold(
    recent: int, room: int, steps: list[str | tuple[str, int]]
) -> None:
    memory = Memory(recent, room)
    queue: list[int] = []
    references: list[int] = []
    frame = 0
    for step in steps:
        if step == 'recent':
            memory.add_recent(frame, descriptors(frame), labels(frame))
            queue = [*queue, frame][-recent:] if recent else []
            frame += 1
        elif step == 'reference':
            if len(references) == room:
                memory.drop_reference(references.pop(len(references) // 2))
            memory.add_reference(frame, descriptors(frame), labels(frame))
            references.append(frame)
            frame += 1
        else:
            frame = min(frame, int(step[1]))
            memory.truncate(frame)
            queue = [f for f in queue if f < frame]
            references = [f for f in references if f < frame]
        assert memory.references == tuple(references)
        assert content(memory) == {f: float(f) for f in queue + references}


def test_the_older_half_reaches_further_back() -> None:
    memory = Memory(7, 1, every=4)
    for frame in range(33):
        memory.add_recent(frame, descriptors(frame), labels(frame))
        if frame in (6, 29, 32):
            held = {6: range(7), 29: (16, 20, 24, 26, 27, 28, 29), 32: (20, 24, *range(28, 33))}
            assert content(memory) == {f: float(f) for f in held[frame]}
    memory.truncate(29)
    assert sorted(memory.frames) == [20, 24, 28]


def test_storage_does_not_grow_and_reading_does_not_copy() -> None:
    memory = Memory(3, 2)
    memory.add_reference(0, descriptors(0), labels(0))
    place = memory.keys[0].untyped_storage().data_ptr()
    for frame in range(1, 50):
        memory.add_recent(frame, descriptors(frame), labels(frame))
        assert memory.keys[0].untyped_storage().data_ptr() == place
    assert sorted(memory.frames) == [0, 47, 48, 49]


def test_channels_are_innermost_and_references_first() -> None:
    """So that propagation finds descriptors and labels of a cell in one piece."""
    memory = Memory(3, 2)
    for frame in range(2):
        memory.add_recent(frame, descriptors(frame, torch.float16), labels(frame))
    for frame in range(2, 4):
        memory.add_reference(frame, descriptors(frame, torch.float16), labels(frame))
    memory.set_classes([0, 1, None])
    for tensor in (memory.keys[0], memory.labels):
        assert tensor.permute(0, 2, 3, 1).is_contiguous()
    assert memory.keys[0].dtype == torch.float16
    assert sorted(memory.frames[: len(memory.references)]) == sorted(memory.references)


def test_removed_labels_become_background_and_new_ones_start_empty() -> None:
    memory = Memory(2, 1)
    soft = torch.stack([torch.full(GRID, v) for v in (0.1, 0.2, 0.3, 0.4)])
    memory.add_recent(0, descriptors(0), soft)
    memory.set_classes([0, 2, None])
    assert torch.allclose(memory.labels[0, :, 0, 0], torch.tensor([0.7, 0.3, 0.0]))
