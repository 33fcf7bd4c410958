"""The loop over frames, with an affinity whose queries and keys differ."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from drift_ros.descriptors import Descriptors
from drift_ros.propagation import Affinity, FeatureAffinity, Memory, Propagator
from drift_ros.settings import PropagationSettings

GRID = (2, 3)


class Attention(Affinity):
    """A head per map; labels of the cells that a cell attends to."""

    def prepare(self, descriptors: Descriptors) -> Descriptors:
        return Descriptors(
            descriptors.queries, tuple(k.half() for k in descriptors.keys), descriptors.stride
        )

    def propagate(self, query: Descriptors, memory: Memory, known: Tensor | None = None) -> Tensor:
        values = memory.labels.movedim(1, -1).flatten(0, 2)
        heads = [
            (q[0].flatten(1).T @ k.float().movedim(1, 0).flatten(1)).softmax(1) @ values
            for q, k in zip(query.queries, memory.keys, strict=True)
        ]
        return torch.stack(heads).mean(0).T.reshape(-1, *GRID)


def cells(*places: int) -> Tensor:
    """Which of six one-hot cells lies where, (1, 6, 2, 3), sharp enough for a softmax."""
    return 100 * torch.nn.functional.one_hot(torch.tensor(places), 6).T.reshape(1, 6, *GRID).float()


def described(queries: Tensor, keys: Tensor) -> Descriptors:
    return Descriptors((queries, queries), (keys, keys), 4)


ORDER, TURNED = cells(0, 1, 2, 3, 4, 5), cells(5, 4, 3, 2, 1, 0)
GIVEN = torch.eye(2)[torch.tensor([[1, 0, 0], [0, 0, 0]])].movedim(-1, 0)


def read(soft: Tensor, stride: int) -> Tensor:
    assert stride == 4
    return soft.argmax(0)


def make() -> Propagator:
    propagator = Propagator(Attention(), recent=2)
    first = propagator.prepare(described(TURNED, ORDER))
    propagator.add_reference(0, first, GIVEN)
    return propagator


def test_queries_of_a_frame_meet_the_keys_of_remembered_ones() -> None:
    propagator = make()
    moved = propagator.prepare(described(TURNED, TURNED))
    assert propagator.step(1, moved, read).tolist() == [[0, 0, 0], [0, 0, 1]]
    assert [k.dtype for k in propagator.memory.keys] == [torch.float16] * 2
    assert torch.equal(propagator.memory.keys[1][-1].float(), TURNED[0])


def test_a_frame_is_read_and_measured_before_it_is_remembered() -> None:
    propagator = make()

    def remembered(*_: object) -> int:
        return len(propagator.memory)

    for number in range(1, 4):
        moved = propagator.prepare(described(ORDER, ORDER))
        assert propagator.step(number, moved, remembered) == number
    assert sorted(propagator.memory.frames) == [0, 2, 3]
    propagator.propagate(propagator.prepare(described(ORDER, ORDER)))
    assert sorted(propagator.memory.frames) == [0, 2, 3]
    propagator.reset()
    assert not len(propagator.memory)


@pytest.mark.parametrize('similarity', ['cosine', 'dot'])
def test_plain_features_are_queries_and_keys(similarity: str) -> None:
    settings = PropagationSettings(similarity=similarity, top_k=1, radius=0)  # type: ignore[arg-type]
    propagator = Propagator(FeatureAffinity(settings), 2)
    first, second = propagator.prepare(Descriptors.of(torch.cat([ORDER, 2 * TURNED]), 4)).frames()
    lengths = second.features.norm(dim=1)
    assert torch.allclose(
        lengths, torch.ones(()) if similarity == 'cosine' else 200 * torch.ones(())
    )
    propagator.add_reference(0, first, GIVEN)
    assert propagator.step(1, second, read).tolist() == [[0, 0, 0], [0, 0, 1]]
