"""Pictures of a tracked pose: an overlay video and a contact sheet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from drift_ros.errors import OutputError
from drift_ros.evaluation.poses.pose_sequence import Joints, PoseSequence
from drift_ros.io.video import VideoWriter
from drift_ros.visualization.contact_sheet import contact_sheet
from drift_ros.visualization.overlay import BLACK, WHITE, Picture, colour_of

OVERLAY, SHEET = 'overlay.mp4', 'sheet.png'
TILES = 12
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


def write_pictures(
    folder: Path, sequence: PoseSequence, found: Sequence[tuple[int, Joints]]
) -> None:
    """Draw every frame into overlay.mp4, and some of them into sheet.png.

    Args:
        folder: place of the files.
        sequence: what was tracked.
        found: numbers of frames and the joints found there, at least one.

    Raises:
        OutputError: a file cannot be written.
    """
    tiled = set(np.linspace(0, len(found) - 1, min(TILES, len(found))).round().astype(int).tolist())
    stamps = sequence.stamps
    rate = (len(stamps) - 1) * 1e9 / (stamps[-1] - stamps[0])
    first = sequence.image(0)
    tiles: list[Picture] = []
    with VideoWriter(folder / OVERLAY, rate, (first.shape[0], first.shape[1])) as video:
        for index, joints in found:
            picture = draw_pose(sequence.image(index), joints, sequence.pose(index))
            video.write(picture)
            if index in tiled:
                tiles.append(picture)
    captions = [sequence.frames[index] for index in sorted(tiled)]
    try:
        Image.fromarray(contact_sheet(tiles, captions)).save(folder / SHEET)
    except OSError as error:
        raise OutputError(f'cannot write {folder / SHEET}: {error}') from None
