"""Cells of targets that look like the background go back to it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from drift_ros.propagation import unit
from drift_ros.tracking.anchors import owned
from drift_ros.tracking.slots import strongest

EMPTY = 0.95  # label of the background from which on a cell shows nothing else
EVERY = 2  # rows and columns of the background: neighbours tell the same


class Background:
    """What targets looked like where their labels were given, and what was around them.

    Propagation alone keeps cells of the background: what moves leaves labels behind, and background
    that stands still finds itself, labelled so, in all recent frames. The frames whose labels were
    given know better, those of them that show the target.

    Args:
        features: (T, C, h', w') descriptors of the frames with given labels; of another grid they
            are sampled.
        labels: (T, K, h, w) their labels, channel 0 = background.
    """

    def __init__(self, features: Tensor, labels: Tensor) -> None:
        if features.shape[2:] != labels.shape[2:]:
            features = functional.interpolate(features, labels.shape[2:])
        known = unit(features.float(), 1).permute(1, 0, 2, 3)
        empty = torch.zeros_like(labels[:, 0], dtype=torch.bool)
        empty[:, ::EVERY, ::EVERY] = labels[:, 0, ::EVERY, ::EVERY] > EMPTY
        self._known: dict[int, tuple[Tensor, Tensor]] = {}  # (C, n) of the target, of what is not
        for slot in range(1, labels.shape[1]):
            showing = [frame for frame, label in enumerate(labels[:, slot]) if bool(label.any())]
            if showing and bool(empty[showing].any()):
                own = torch.stack([owned(labels[frame, slot]) for frame in showing])
                frames = known[:, showing]
                self._known[slot] = (frames[:, own], frames[:, empty[showing]])

    def drop(self, soft: Tensor, features: Tensor, margin: float) -> Tensor:
        """Soft labels without the cells that resemble the background more than their target.

        Args:
            soft: (K, h, w) float32, channel 0 = background.
            features: (C, h, w) unit descriptors of the frame.
            margin: by how much the cosine of the best match in the background of the given frames,
                anywhere in them, must be larger than that in the target.

        Returns:
            (K, h, w); `soft` itself where nothing changes.
        """
        slots = strongest(soft)
        wrong = torch.zeros_like(slots, dtype=torch.bool)
        for slot, known in self._known.items():
            mine = slots == slot
            cells = features[:, mine]
            if cells.shape[1]:
                similarity, elsewhere = ((each.T @ cells).amax(0) for each in known)
                wrong[mine] = elsewhere - similarity > margin
        if not bool(wrong.any()):
            return soft
        kept = soft * ~wrong
        kept[0] = torch.where(wrong, soft.sum(0), soft[0])
        return kept
