"""Small parts of masks that lie far from the rest."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from drift_ros.tracking.measure import count

SHARE = 0.15  # of the largest part, below which another one is small
FAR = 1.0  # square roots of the largest part's area, beyond which another one is far


def drop_stray(labels: NDArray[np.uint8]) -> None:
    """Make small parts of masks that are far from the rest of them background, in place.

    Of each label, a connected part with less than 15 % of the pixels of the largest one goes if it
    is farther from that than the square root of its area: a hockey stick stays, a speck that was
    left behind on the background does not stretch the bounding box to there.

    Args:
        labels: (H, W) uint8, 0 = background.
    """
    for label in np.flatnonzero(count(labels)[1:]) + 1:
        mask = cv2.inRange(labels, int(label), int(label))
        x, y, width, height = cv2.boundingRect(mask)
        view = slice(y, y + height), slice(x, x + width)
        _, parts, stats, _ = cv2.connectedComponentsWithStats(mask[view], connectivity=8)
        areas = stats[1:, cv2.CC_STAT_AREA]
        largest = int(areas.argmax())
        small = np.flatnonzero(areas < SHARE * areas[largest])
        if not len(small):
            continue
        elsewhere = (parts != largest + 1).astype(np.uint8)
        distance = cv2.distanceTransform(elsewhere, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        squared = np.rint(np.square(distance))  # exact, where OpenCV's last bits vary by call
        far = squared > FAR**2 * areas[largest]
        for part in small + 1:
            stray = parts == part
            if far[stray].all():
                labels[view][stray] = 0
