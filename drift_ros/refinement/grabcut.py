"""Outlines by GrabCut (Rother et al. 2004) in a narrow band around the outline that is there.

Inside and outside the band the mask is believed; colour models of both sides, and edges, say where
in the band the outline is.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from drift_ros.refinement.base import Labels, Mask, Refiner, distance

SURROUNDINGS = 3  # bands that the view reaches beyond the mask: what the colour model sees
LONGEST = 240  # px; a larger target is looked at in a smaller view
THINNEST = 3  # px; a target needs to be thicker somewhere to have a core and an outline


class GrabCutRefiner(Refiner):
    """Refines each target by itself, on the CPU, without weights."""

    def _outlines(
        self, image: NDArray[np.uint8], labels: Labels, masks: dict[int, Mask]
    ) -> dict[int, Mask]:
        return {i: self._outline(image, mask, labels) for i, mask in masks.items()}

    def _outline(self, image: NDArray[np.uint8], mask: Mask, labels: Labels) -> Mask:
        band = self.settings.band
        margin = SURROUNDINGS * band
        rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
        top, left = max(0, rows[0] - margin), max(0, columns[0] - margin)
        part = slice(top, rows[-1] + margin + 1), slice(left, columns[-1] + margin + 1)
        inner = mask[part]
        scale = min(1.0, LONGEST / max(inner.shape))
        size = (max(1, round(inner.shape[1] * scale)), max(1, round(inner.shape[0] * scale)))
        view = cv2.resize(image[part], size, interpolation=cv2.INTER_AREA)
        small = cv2.resize(inner.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.5
        others = cv2.resize(labels[part], size, interpolation=cv2.INTER_NEAREST)
        others = (others != 0) & ~small
        trimap = _trimap(small, others, max(1.0, band * scale))
        kinds = np.bincount(trimap.ravel(), minlength=4)
        if not kinds[cv2.GC_BGD] or not kinds[cv2.GC_FGD]:
            return mask  # nothing to tell apart
        cv2.setRNGSeed(0)
        models = np.zeros((1, 65)), np.zeros((1, 65))
        view = np.ascontiguousarray(view)
        cv2.grabCut(view, trimap, None, *models, self.settings.iterations, cv2.GC_INIT_WITH_MASK)
        cut = np.isin(trimap, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.float32)
        refined = mask.copy()
        full = cv2.resize(cut, inner.shape[::-1], interpolation=cv2.INTER_LINEAR) > 0.5
        refined[part] = full | (distance(inner) > band)
        return refined


def _trimap(mask: Mask, others: Mask, band: float) -> NDArray[np.uint8]:
    """Sure inside, sure outside, and by the mask within the band; a thin target keeps a core."""
    depth = distance(mask)
    core = min(band, max(float(depth.max()) - THINNEST / 2, 0.5))
    trimap = np.where(mask, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    trimap[depth > core] = cv2.GC_FGD
    trimap[(distance(~mask) > band) | others] = cv2.GC_BGD
    return trimap
