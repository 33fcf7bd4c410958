from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor

from drift_ros.propagation import workers


@pytest.fixture
def _four_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


def squares() -> Callable[[int], int]:
    return lambda piece: piece * piece


@pytest.mark.usefixtures('_four_threads')
def test_results_come_in_the_order_of_the_pieces() -> None:
    assert workers.run(squares, range(100)) == [i * i for i in range(100)]
    assert workers.run(squares, [3]) == [9]
    assert workers.run(squares, []) == []


@pytest.mark.usefixtures('_four_threads')
def test_pieces_are_spread_over_threads_that_share_no_scratch() -> None:
    together = threading.Barrier(4, timeout=20)  # passes only if four threads work at once

    def make() -> Callable[[int], tuple[int, int]]:
        scratch = object()

        def work(_: int) -> tuple[int, int]:
            together.wait()
            return threading.get_ident(), id(scratch)

        return work

    pairs = set(workers.run(make, range(4)))
    assert len({thread for thread, _ in pairs}) == len({s for _, s in pairs}) == 4


@pytest.mark.usefixtures('_four_threads')
def test_workers_use_few_threads_and_the_caller_keeps_its_own() -> None:
    inside = workers.run(lambda: lambda _: torch.get_num_threads(), range(8))
    assert inside == [1] * 8
    assert torch.get_num_threads() == 4
    new: list[int] = []
    thread = threading.Thread(target=lambda: new.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert new == [4]


@pytest.mark.usefixtures('_four_threads')
def test_errors_reach_the_caller_and_the_pool_goes_on() -> None:
    with pytest.raises(ZeroDivisionError):
        workers.run(lambda: lambda piece: 1 // piece, [1, 2, 0, 3])
    assert workers.run(squares, [1, 2, 3]) == [1, 4, 9]


@pytest.mark.usefixtures('_four_threads')
def test_tensors_of_inference_mode_can_be_written() -> None:
    with torch.inference_mode():
        out = torch.zeros(8)

        def make() -> Callable[[int], Tensor]:
            return lambda i: out[i].fill_(i)

        workers.run(make, range(8))
    assert out.tolist() == list(range(8))
