"""Targets that look alike: parts of one that lie on another go back to it."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from drift_ros.propagation import unit
from drift_ros.tracking.slots import strongest

SIMILARITY = 0.5  # mean cosine of best matches from which on two targets are alike
SHARE = 0.6  # of a component, from which on it belongs to one target
MOST_CELLS = 256  # of a target that are compared
CELLS = 4  # that a target needs elsewhere before it gives up a part


def alike(features: Tensor, labels: Tensor) -> Tensor:
    """Which targets could be taken for each other: the cells of either find matches in the other.

    Args:
        features: (T, C, h, w) descriptors of frames with given labels.
        labels: (T, K, h', w') their labels, channel 0 = background; of another grid they are
            sampled.

    Returns:
        (K, K) bool on the CPU, symmetric; false for the background and on the diagonal.
    """
    cells = unit(features, 1).permute(0, 2, 3, 1).flatten(0, 2).float()
    if labels.shape[2:] != features.shape[2:]:
        labels = functional.interpolate(labels, features.shape[2:])
    owned = labels.transpose(0, 1).flatten(1) > 0.5
    shown = {}
    for slot in range(1, len(owned)):
        places = owned[slot].nonzero()[:, 0]
        if len(places):
            shown[slot] = cells[places[:: 1 + len(places) // MOST_CELLS]]
    found = torch.zeros((len(owned), len(owned)), dtype=torch.bool)
    for one, other in itertools.combinations(shown, 2):
        products = shown[one] @ shown[other].T
        best = max(float(products.amax(axis).mean()) for axis in (0, 1))
        found[one, other] = found[other, one] = best >= SIMILARITY
    return found


def return_parts(soft: Tensor, rivals: Tensor) -> Tensor:
    """Soft labels in which each connected component of targets that are alike is one target's.

    A component that mostly (0.6 of its cells) shows one target gets the labels of those of its
    rivals in it that have more cells in a component of their own. So components never change their
    outline and no target vanishes; targets that touch are left alone.

    Args:
        soft: (K, h, w) float32, channel 0 = background.
        rivals: (K, K) bool, which targets are alike.

    Returns:
        (K, h, w); `soft` itself where nothing changes.
    """
    slots = strongest(soft).cpu().numpy()
    competing = rivals.any(1).numpy()
    foreground = competing[slots].astype(np.uint8)
    count, components = cv2.connectedComponents(foreground, connectivity=4)
    if count < 3:
        return soft
    classes = len(soft)
    table = np.bincount((components * classes + slots).ravel(), minlength=count * classes)
    cells = table.reshape(count, classes)  # of each target in each component
    cells[0] = 0
    cells[:, ~competing] = 0
    owners = cells.argmax(1)
    changed = soft
    for component in np.flatnonzero((cells > 0).sum(1) > 1):
        owner = owners[component]
        if cells[component, owner] < SHARE * cells[component].sum():
            continue
        inside = torch.from_numpy(components == component).to(soft.device)
        for rival in np.flatnonzero(cells[component]):
            own = cells[owners == rival, rival].max(initial=0)
            least = max(CELLS, cells[component, rival])
            if rival != owner and rivals[owner, rival] and own >= least:
                changed = soft.clone() if changed is soft else changed
                changed[owner] += changed[rival] * inside
                changed[rival] *= ~inside
    return changed
