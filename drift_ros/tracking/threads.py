"""How many threads torch may use."""

from __future__ import annotations

import os
from functools import lru_cache

import torch


@lru_cache(maxsize=1)
def share_cores() -> None:
    """Let torch use half of the cores for what one thread asks for, unless the environment says how
    many: with all of them for each of two, or for the small work that is left beside a GPU, threads
    wait for each other at every small step.

    It holds for the whole process, and for threads that have not used torch yet.
    """
    if 'OMP_NUM_THREADS' not in os.environ:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()
        torch.set_num_threads(max(1, (cores or 1) // 2))
