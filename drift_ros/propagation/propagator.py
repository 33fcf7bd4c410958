"""The loop over the frames of a stream, from descriptors to what is made of their labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from torch import Tensor

from drift_ros.descriptors import Descriptors
from drift_ros.propagation.affinity import Affinity
from drift_ros.propagation.memory import Memory

Output = TypeVar('Output')


class Propagator:
    """Labels frames one after the other: propagate, read, measure, remember.

    Frames whose labels are given are references, which stay until they are dropped; every other one
    enters the queue of recent frames with its soft labels.

    Args:
        affinity: compares frames.
        recent: number of recent frames that are remembered, 0 or more.
        references: number of references, 1 or more.
        every: as of `Memory`.

    Attributes:
        memory: the remembered frames.
    """

    def __init__(
        self, affinity: Affinity, recent: int, references: int = 1, every: int = 1
    ) -> None:
        self._affinity = affinity
        self.memory = Memory(recent, references, every)

    def reset(self) -> None:
        """Forget everything."""
        self.memory.clear()
        self._affinity.reset()

    def prepare(self, descriptors: Descriptors) -> Descriptors:
        """Descriptors of the new frames of a window as the other methods take them."""
        return self._affinity.prepare(descriptors)

    def step(
        self,
        number: int,
        descriptors: Descriptors,
        read: Callable[[Tensor, int], Output],
        known: Tensor | None = None,
    ) -> Output:
        """Label a frame and remember it.

        Args:
            number: of the frame.
            descriptors: prepared ones of the frame (n = 1).
            read: makes something of (K, h, w) soft labels, which it leaves as they are, and of the
                px per cell at the network's resolution.
            known: (T, K) bool, which remembered frames know about which label; None: all about all.
        """
        soft = self.propagate(descriptors, known)
        output = read(soft, descriptors.stride)
        self.memory.add_recent(number, descriptors, soft)
        return output

    def propagate(self, descriptors: Descriptors, known: Tensor | None = None) -> Tensor:
        """Soft labels (K, h, w) of a frame from the remembered ones; there must be some."""
        return self._affinity.propagate(descriptors, self.memory, known)

    def add_reference(self, number: int, descriptors: Descriptors, labels: Tensor) -> None:
        """Remember a frame with given labels (K, h, w)."""
        self.memory.add_reference(number, descriptors, labels.to(descriptors.queries[0].device))
