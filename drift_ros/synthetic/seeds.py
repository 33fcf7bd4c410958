"""Randomness that splits apart: what is trained on can never be met again in an evaluation.

Everything random in a generated video comes from a `Seed`. Its first word is the split, the next
ones say what is drawn. numpy's `SeedSequence` hashes all words together, so two seeds that differ
in any word give unrelated streams; seeds of different splits always differ in the first one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

Split = Literal['train', 'val', 'test']
SPLITS: tuple[Split, ...] = get_args(Split)


@dataclass(frozen=True, slots=True)
class Seed:
    """A place in the tree of random streams.

    Attributes:
        split: `train`; `val` for choosing settings; `test` for reporting, and nothing else.
        path: non-negative words below it.
    """

    split: Split
    path: tuple[int, ...] = ()

    def child(self, *words: int) -> Seed:
        """A seed below this one."""
        return Seed(self.split, (*self.path, *words))

    @property
    def key(self) -> tuple[int, ...]:
        """All words, the split first."""
        return (SPLITS.index(self.split), *self.path)

    def generator(self) -> np.random.Generator:
        """The stream of this seed, always from its beginning."""
        return np.random.default_rng(np.random.SeedSequence(0, spawn_key=self.key))
