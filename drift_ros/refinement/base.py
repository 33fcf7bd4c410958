"""What refiners have in common: masks in, masks with better outlines out, within limits."""

from __future__ import annotations

from abc import ABC, abstractmethod

import cv2
import numpy as np
from numpy.typing import NDArray

from drift_ros.settings import RefinementSettings

Mask = NDArray[np.bool_]
Labels = NDArray[np.uint8]


class Refiner(ABC):
    """Finds the outlines of targets anew in the image; keeps nothing between two frames.

    Args:
        settings: of the refinement.
    """

    def __init__(self, settings: RefinementSettings) -> None:
        self.settings = settings

    def refine(self, image: NDArray[np.uint8], labels: Labels) -> Labels:
        """Labels with better outlines.

        A mask that comes out too different (`min_iou`) is not taken. Where refined masks overlap,
        a pixel keeps its target if that is one of them, else the lower id has it.

        Args:
            image: (H, W, 3) uint8 RGB.
            labels: (H, W) uint8, ids of targets, 0 = background.

        Returns:
            (H, W) uint8 with the same ids; no target is lost.
        """
        coarse = {int(i): labels == i for i in np.flatnonzero(np.bincount(labels.ravel())) if i}
        if not coarse:
            return labels
        found = self._outlines(image, labels, coarse)
        masks = {
            i: found[i] if iou(found[i], mask) >= self.settings.min_iou else mask
            for i, mask in coarse.items()
        }
        return _merge(labels, masks)

    @abstractmethod
    def _outlines(
        self, image: NDArray[np.uint8], labels: Labels, masks: dict[int, Mask]
    ) -> dict[int, Mask]:
        """A mask for each target; `masks` are those of the labels."""


def iou(one: Mask, other: Mask) -> float:
    """Intersection over union of two masks; 0 if both are empty."""
    union = int((one | other).sum())
    return int((one & other).sum()) / union if union else 0.0


def distance(mask: Mask) -> NDArray[np.float32]:
    """Distance in px of each pixel of a mask to the nearest one outside; the image's border is no
    outline.
    """
    depth: NDArray[np.float32] = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5)
    return depth


def _merge(labels: Labels, masks: dict[int, Mask]) -> Labels:
    merged = np.zeros_like(labels)
    for target, mask in masks.items():
        merged[mask & (labels == target)] = target
    for target, mask in masks.items():
        merged[mask & (merged == 0)] = target
    return merged
