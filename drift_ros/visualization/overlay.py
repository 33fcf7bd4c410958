"""Pictures for people: masks, outlines, names and centroids over a frame."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from drift_ros.structures import Roi, TrackedObject
from drift_ros.visualization.palette import PALETTE

Picture = NDArray[np.uint8]
Colour = tuple[int, int, int]

BLACK, WHITE = (0, 0, 0), (255, 255, 255)
FONT = cv2.FONT_HERSHEY_SIMPLEX


def overlay(
    image: Picture,
    labels: NDArray[np.uint8],
    objects: Sequence[TrackedObject] = (),
    alpha: float = 0.5,
) -> Picture:
    """Show what was found in a frame.

    Each mask is tinted and outlined in the colour of its id; each visible object gets a tag with
    id, name and score, and a mark on its centroid. Occluded ones have a box
    where they are expected; those and the lost ones are listed at the lower edge.

    Args:
        image: (H, W, 3) uint8 RGB; it is not written to.
        labels: (H, W) uint8, value = id, 0 = background.
        objects: what is known about the objects; ids without an entry are drawn without a tag.
        alpha: weight of the tint, 0..1.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        ValueError: image and labels differ in size.
    """
    if image.shape != (*labels.shape, 3):
        raise ValueError(f'labels of shape {labels.shape} do not fit an image of {image.shape}')
    picture = tint(image, labels, alpha)
    unit = max(1.0, min(labels.shape) / 480)  # px per px of a 480 px high picture
    outline(picture, labels, unit)
    seen = [o for o in objects if o.visible]
    for obj in seen:
        _mark(picture, obj, unit)
    taken: list[Roi] = []
    for obj in seen:
        taken.append(_tag(picture, obj, unit, taken))
    hidden = [o for o in objects if not o.visible]
    for obj in hidden:
        _expected(picture, obj, unit)
    if hidden:
        text = ', '.join(f'{title(o.id, o.name)} {o.state.name.lower()}' for o in hidden)
        height = picture.shape[0]
        text_box(picture, text, (0, height), (40, 40, 40), 0.45 * unit)
    return picture


def colour_of(id_: int) -> Colour:
    """RGB of an id."""
    r, g, b = PALETTE[id_].tolist()
    return r, g, b


def title(id_: int, name: str) -> str:
    """Id and name of an object."""
    return f'{id_} {name}' if name else str(id_)


def tint(image: Picture, labels: NDArray[np.uint8], alpha: float) -> Picture:
    """A copy of the image with the labels' colours over it; background stays as it is."""
    present = labels != 0
    picture = image.copy()
    if present.any():
        colours = cv2.LUT(cv2.merge([labels] * 3), PALETTE[None])
        mixed = cv2.addWeighted(image, 1 - alpha, colours, alpha, 0)
        cv2.copyTo(mixed, present.view(np.uint8), picture)
    return picture


def outline(picture: Picture, labels: NDArray[np.uint8], unit: float = 1.0) -> None:
    """Draw the outline of every label into the picture: its colour between two dark lines."""
    for id_ in np.flatnonzero(np.bincount(labels.ravel(), minlength=256)[1:]) + 1:
        mask = cv2.inRange(labels, int(id_), int(id_))
        contours, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
        width = max(1, round(1.5 * unit))
        cv2.drawContours(picture, contours, -1, BLACK, width + 2, cv2.LINE_8)
        cv2.drawContours(picture, contours, -1, colour_of(int(id_)), width, cv2.LINE_8)


def text_box(
    picture: Picture,
    text: str,
    corner: tuple[int, int],
    fill: Colour,
    size: float,
    taken: Sequence[Roi] = (),
) -> Roi:
    """Write text on a box with its lower left corner at `corner` (x, y), kept in the picture.

    Where that place is taken, the box goes above what takes it, or else stays and covers it.

    Returns:
        The box.
    """
    text = text.encode('ascii', 'replace').decode()  # the font has no more
    thickness = max(1, round(1.4 * size))
    (width, height), base = cv2.getTextSize(text, FONT, size, thickness)
    pad = max(2, round(4 * size))
    box_width, box_height = width + 2 * pad, height + base + 2 * pad
    left = min(max(corner[0], 0), max(0, picture.shape[1] - box_width))
    bottom = min(max(corner[1], box_height), picture.shape[0])
    free = bottom
    while under := [
        o for o in taken if _meet(o, Roi(left, free - box_height, box_width, box_height))
    ]:
        free = min(other.y for other in under)
    bottom = free if free >= box_height else bottom
    top = bottom - box_height
    cv2.rectangle(picture, (left, top), (left + box_width - 1, bottom - 1), fill, -1)
    r, g, b = fill
    ink = BLACK if 0.299 * r + 0.587 * g + 0.114 * b > 140 else WHITE
    place = (left + pad, bottom - pad - base)
    cv2.putText(picture, text, place, FONT, size, ink, thickness, cv2.LINE_AA)
    return Roi(left, top, box_width, box_height)


def _meet(a: Roi, b: Roi) -> bool:
    across = a.x < b.x + b.width and b.x < a.x + a.width
    return across and a.y < b.y + b.height and b.y < a.y + a.height


def _mark(picture: Picture, obj: TrackedObject, unit: float) -> None:
    if not all(math.isfinite(c) for c in obj.centroid):
        return
    centre = (round(obj.centroid[0]), round(obj.centroid[1]))
    radius = max(3, round(4 * unit))
    cv2.circle(picture, centre, radius + 1, BLACK, -1, cv2.LINE_AA)
    cv2.circle(picture, centre, radius, WHITE, -1, cv2.LINE_AA)
    cv2.circle(picture, centre, max(1, radius - 2), colour_of(obj.id), -1, cv2.LINE_AA)


def _expected(picture: Picture, obj: TrackedObject, unit: float) -> None:
    roi = obj.predicted_roi
    if roi.width:
        far = (roi.x + roi.width - 1, roi.y + roi.height - 1)
        width = max(1, round(unit))
        cv2.rectangle(picture, (roi.x, roi.y), far, colour_of(obj.id), width, cv2.LINE_4)


def _tag(picture: Picture, obj: TrackedObject, unit: float, taken: Sequence[Roi]) -> Roi:
    corner = (obj.roi.x, obj.roi.y - round(3 * unit))
    text = f'{title(obj.id, obj.name)}  {obj.score:.2f}'
    return text_box(picture, text, corner, colour_of(obj.id), 0.45 * unit, taken)
