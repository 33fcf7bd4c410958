"""Labels one frame after the other: by propagation from memory, and by the prompts that a frame
carries.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drift_ros.interruption import checkpoint
from drift_ros.propagation import (
    Memory,
    confidences,
    one_hot,
    propagate,
    read_labels,
    resize_nearest,
)
from drift_ros.settings import PropagationSettings, TargetSettings
from drift_ros.tracking.measure import drop_small
from drift_ros.tracking.prompting import paint
from drift_ros.tracking.targets import Targets
from drift_ros.tracking.windows import HeldFrame

Labels = NDArray[np.uint8]


def propagate_from(
    memory: Memory, descriptors: Tensor, settings: PropagationSettings, known: Tensor | None = None
) -> Tensor:
    """Soft labels (K, h, w) float32 of a frame from those of the remembered frames.

    Args:
        memory: not empty.
        descriptors: (C, h, w) of the frame, as the memory holds them.
        settings: of the propagation.
        known: (T, K) bool, which remembered frames know about which label; None: all about all.
    """
    return propagate(
        descriptors,
        memory.features,
        memory.labels,
        temperature=settings.temperature,
        top_k=settings.top_k,
        radius=settings.radius,
        window=settings.window,
        mask_first=settings.mask_references,
        first=len(memory.references),
        similarity=settings.similarity,
        known=known,
        normalized=True,
    )


class Labeller:
    """Holds the memory that labels are propagated from.

    A frame with prompts becomes a reference with hard labels, as the first frame does in the
    papers; every other one enters the queue of recent frames with its soft labels.

    Args:
        targets: the live targets; the owner adds and removes them and tells the labeller.
        propagation: settings.
        visibility: settings.
    """

    def __init__(
        self, targets: Targets, propagation: PropagationSettings, visibility: TargetSettings
    ) -> None:
        self._targets = targets
        self._settings = propagation
        self._visibility = visibility
        self._memory = Memory(propagation.memory, propagation.max_references)

    def clear(self) -> None:
        """Forget all remembered frames."""
        self._memory.clear()

    def go_back_to(self, number: int) -> None:
        """Forget what was remembered from this frame number on."""
        later = [remembered >= number for remembered in self._memory.frames]
        if all(later):
            self._memory.clear()  # its first frame may have failed to get any storage
        elif any(later):
            self._memory.truncate(number)

    def follow(self, continued: Sequence[int | None]) -> None:
        """The targets changed.

        Args:
            continued: for each slot, background included, the old slot that it continues, or None
                for a target that remembered frames do not know.
        """
        if len(continued) == 1:
            self._memory.clear()
        self._memory.set_classes(continued)

    def label(
        self, held: HeldFrame, descriptors: Tensor, stride: int
    ) -> tuple[Labels, dict[int, float]]:
        """Label a frame and remember it.

        Args:
            held: the frame, with the prompts that it carries. If it has labels already (it was
                released before and a later prompt went back to it), they are the ground for its
                prompts.
            descriptors: (C, h, w), of unit length over C unless the similarity is `dot`.
            stride: px per cell at the network's resolution.

        Returns:
            Label map (H, W) uint8 of ids, and id -> confidence in [0, 1].
        """
        checkpoint()
        soft: Tensor | None = None
        scores: dict[int, float] = {}
        if held.prompts and held.labels is not None:
            labels = held.labels.copy()
        elif len(self._memory):
            soft = self._propagate(descriptors)
            labels, scores = self._read(soft, stride, held.frame.size)
        else:
            labels = np.zeros(held.frame.size, np.uint8)
        if held.prompts:
            paint(labels, held.prompts)
            scores |= dict.fromkeys(held.prompts, 1.0)
            self._remember_prompted(held.number, descriptors, labels)
        elif soft is not None:
            self._memory.add_recent(held.number, descriptors, soft)
        drop_small(labels, self._visibility.min_area)
        return labels, scores

    def _propagate(self, descriptors: Tensor) -> Tensor:
        frames = torch.tensor(self._memory.frames)
        known = frames[:, None] >= torch.tensor(self._targets.births)[None, :]
        everyone = bool(known.all())
        return propagate_from(
            self._memory,
            descriptors,
            self._settings,
            None if everyone else known.to(descriptors.device),
        )

    def _read(
        self, soft: Tensor, stride: int, size: tuple[int, int]
    ) -> tuple[Labels, dict[int, float]]:
        """Label map of ids and id -> confidence from (K, h, w) soft labels."""
        shown = soft.clone()
        shown[1:][soft[1:].amax((1, 2)) < self._visibility.visibility_threshold] = 0
        slots = read_labels(shown, stride, size)
        cells = resize_nearest(torch.from_numpy(slots), (soft.shape[1], soft.shape[2]))
        scores = confidences(soft, cells.to(soft.device).long()).tolist()
        return self._targets.to_ids(slots), {
            target.id: scores[slot] for slot, target in enumerate(self._targets, 1)
        }

    def _remember_prompted(self, number: int, descriptors: Tensor, labels: Labels) -> None:
        if len(self._memory.references) == self._settings.max_references:
            self._memory.drop_reference(self._least_useful_reference())
        grid = (descriptors.shape[1], descriptors.shape[2])
        hard = one_hot(self._targets.to_slots(labels), self._targets.classes, grid)
        self._memory.add_reference(number, descriptors, hard.to(descriptors.device))

    def _least_useful_reference(self) -> int:
        """The oldest one, but not the very first while a target that was prompted on it lives."""
        references = self._memory.references
        first_lives = any(target.born == references[0] for target in self._targets)
        return references[1] if first_lives and len(references) > 1 else references[0]
