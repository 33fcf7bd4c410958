"""Cells of targets that look like the background go back to it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from drift_ros.propagation import unit
from drift_ros.tracking.anchors import owned

EMPTY = 0.95  # label of the background from which on a cell shows nothing else
EVERY = 2  # rows and columns of the background: neighbours tell the same


def drop_background(
    soft: Tensor, features: Tensor, given: Tensor, labels: Tensor, margin: float
) -> Tensor:
    """Soft labels without the cells that resemble the background more than their target.

    Propagation alone keeps them: what moves leaves labels behind, and background that stands still
    finds itself, labelled so, in all recent frames. The frames whose labels were given know better,
    those of them that show the target.

    Args:
        soft: (K, h, w) float32, channel 0 = background.
        features: (C, h', w') descriptors of the frame; of another grid they are sampled.
        given: (T, C, h', w') those of the frames with given labels.
        labels: (T, K, h, w) their labels.
        margin: by how much the cosine of the best match in the background of these frames, anywhere
            in them, must be larger than that in the target.

    Returns:
        (K, h, w); `soft` itself where nothing changes.
    """
    slots = soft.argmax(0)
    shown = slots[slots > 0].unique().tolist()
    if not shown:
        return soft
    if features.shape[1:] != soft.shape[1:]:
        features = functional.interpolate(features[None], soft.shape[1:])[0]
        given = functional.interpolate(given, soft.shape[1:])
    features, known = unit(features.float(), 0), unit(given.float(), 1).permute(1, 0, 2, 3)
    empty = torch.zeros_like(labels[:, 0], dtype=torch.bool)
    empty[:, ::EVERY, ::EVERY] = labels[:, 0, ::EVERY, ::EVERY] > EMPTY
    wrong = torch.zeros_like(slots, dtype=torch.bool)
    for slot in shown:
        showing = [frame for frame, label in enumerate(labels[:, slot]) if bool(label.any())]
        if not showing or not bool(empty[showing].any()):
            continue
        mine = slots == slot
        own = torch.stack([owned(labels[frame, slot]) for frame in showing])
        frames, cells = known[:, showing], features[:, mine]
        similarity, elsewhere = (
            (frames[:, places].T @ cells).amax(0) for places in (own, empty[showing])
        )
        wrong[mine] = elsewhere - similarity > margin
    if not bool(wrong.any()):
        return soft
    kept = soft * ~wrong
    kept[0] = torch.where(wrong, soft.sum(0), soft[0])
    return kept
