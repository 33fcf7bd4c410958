"""Independent pieces of work on the threads of a CPU.

Threads that share each operation wait for each other at its end, and where other work keeps a core
busy they mostly wait. Threads that each take whole pieces do not.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from threading import Barrier
from typing import TypeVar

import torch

Piece = TypeVar('Piece')
Result = TypeVar('Result')

MAX_WORKERS = 4  # each has scratch memory of its own; more threads than that share operations


def run(make: Callable[[], Callable[[Piece], Result]], pieces: Iterable[Piece]) -> list[Result]:
    """Do pieces of work on as many threads as torch may use here.

    Args:
        make: makes the function that a thread calls with its pieces; it may keep scratch memory.
        pieces: what is to be done, in any order.

    Returns:
        The results, in the order of the pieces.
    """
    numbered = list(enumerate(pieces))
    pending = deque(numbered)
    workers = min(MAX_WORKERS, torch.get_num_threads())
    if min(workers, len(pending)) < 2:
        work = make()
        return [work(piece) for _, piece in numbered]
    inference = torch.is_inference_mode_enabled()

    def take() -> list[tuple[int, Result]]:
        with torch.inference_mode(inference), torch.no_grad():  # modes are per thread
            work = make()
            return [(number, work(piece)) for number, piece in _drain(pending)]

    pool = _pool(workers, torch.get_num_threads() // workers)
    parts = [pool.submit(take) for _ in range(min(workers, len(pending)))]
    done = dict(pair for part in parts for pair in part.result())
    return [done[number] for number, _ in numbered]


def _drain(pending: deque[Piece]) -> Iterator[Piece]:
    """What is left; several threads may drain one queue."""
    while True:
        try:
            yield pending.popleft()
        except IndexError:
            return


@lru_cache(maxsize=1)
def _pool(workers: int, threads: int) -> ThreadPoolExecutor:
    """A pool whose workers use `threads` threads each for an operation of torch.

    The setting is kept per thread, but new threads start with the latest one that was made: hence
    all workers start here, and the caller's own setting is made anew.
    """
    own = torch.get_num_threads()
    pool = ThreadPoolExecutor(workers, 'propagation', _use_threads, (threads,))
    barrier = Barrier(workers)
    for started in [pool.submit(barrier.wait) for _ in range(workers)]:
        started.result()
    torch.set_num_threads(own)
    return pool


def _use_threads(threads: int) -> None:
    torch.get_num_threads()  # the first use in a thread takes over the latest setting of any
    torch.set_num_threads(threads)
