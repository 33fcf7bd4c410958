"""Pictures of a tracked pose."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from drift_ros.evaluation.poses.pose_sequence import Joints
from drift_ros.visualization.overlay import BLACK, WHITE, Picture, colour_of

SHIFT = 4  # bits behind the point of coordinates that OpenCV draws at


def draw_pose(image: NDArray[np.uint8], found: Joints, truth: Joints) -> Picture:
    """Show found joints as dots, with a line to the true place of each.

    Args:
        image: (H, W, 3) uint8 RGB; it is not written to.
        found: (J, 2) in px; a negative x says that a joint was not found.
        truth: (J, 2) in px.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    picture = image.copy()
    radius = max(2.0, min(image.shape[:2]) / 80)
    for number, (place, true) in enumerate(zip(found, truth, strict=True), 1):
        colour = colour_of(number)
        ends = [np.rint(point * 2**SHIFT).astype(int).tolist() for point in (place, true)]
        if place[0] >= 0:
            cv2.line(picture, ends[0], ends[1], WHITE, 1, cv2.LINE_AA, SHIFT)
            for size, fill in ((radius + 1, BLACK), (radius, colour)):
                cv2.circle(picture, ends[0], round(size * 2**SHIFT), fill, -1, cv2.LINE_AA, SHIFT)
        else:
            cv2.circle(picture, ends[1], round(radius * 2**SHIFT), colour, 1, cv2.LINE_AA, SHIFT)
    return picture
