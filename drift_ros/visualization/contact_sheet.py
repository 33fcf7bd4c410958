"""Many pictures in one: grids of frames, and truth against result."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from drift_ros.visualization.overlay import Picture, outline, text_box, tint

GAP = 6  # px between tiles
PAPER = 255
AGREED, MISSED, EXTRA, SWAPPED = (60, 170, 90), (220, 50, 47), (38, 110, 220), (245, 180, 0)


def contact_sheet(
    pictures: Sequence[Picture],
    captions: Sequence[str] = (),
    columns: int = 4,
    tile_width: int = 320,
) -> Picture:
    """A grid of pictures, row by row.

    Args:
        pictures: (H, W, 3) uint8 RGB, of any sizes; at least one.
        captions: one per picture, or none at all.
        columns: tiles per row; fewer if there are fewer pictures.
        tile_width: width of a tile in px; pictures keep their proportions.

    Returns:
        (rows of tiles, columns of tiles, 3) uint8 RGB.

    Raises:
        ValueError: no pictures, or a different number of captions.
    """
    if not pictures:
        raise ValueError('a contact sheet needs at least one picture')
    if captions and len(captions) != len(pictures):
        raise ValueError(f'{len(captions)} captions do not fit {len(pictures)} pictures')
    tiles = [_fit(picture, tile_width) for picture in pictures]
    for tile, caption in zip(tiles, captions, strict=False):
        text_box(tile, caption, (0, 0), (20, 20, 20), 0.42)
    height = max(tile.shape[0] for tile in tiles)
    columns = min(columns, len(tiles))
    rows = math.ceil(len(tiles) / columns)
    shape = (rows * (height + GAP) + GAP, columns * (tile_width + GAP) + GAP, 3)
    sheet = np.full(shape, PAPER, np.uint8)
    for i, tile in enumerate(tiles):
        top = GAP + (i // columns) * (height + GAP)
        left = GAP + (i % columns) * (tile_width + GAP)
        sheet[top : top + tile.shape[0], left : left + tile_width] = tile
    return sheet


def _fit(picture: Picture, width: int) -> Picture:
    height = max(1, round(picture.shape[0] * width / picture.shape[1]))
    smaller = picture.shape[1] > width
    method = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return np.array(cv2.resize(picture, (width, height), interpolation=method), np.uint8)


def errors(truth: NDArray[np.uint8], result: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Kind of every pixel.

    Args:
        truth, result: (H, W) uint8 label maps with the same ids.

    Returns:
        (H, W) uint8: 0 = background in both, 1 = same id in both, 2 = missed (an object only in the
        truth), 3 = extra (an object only in the result), 4 = an object in both, but another id.
    """
    kinds = np.zeros(truth.shape, np.uint8)
    kinds[(truth == result) & (truth > 0)] = 1
    kinds[(truth > 0) & (result == 0)] = 2
    kinds[(truth == 0) & (result > 0)] = 3
    kinds[(truth > 0) & (result > 0) & (truth != result)] = 4
    return kinds


def error_view(
    image: Picture, truth: NDArray[np.uint8], result: NDArray[np.uint8], alpha: float = 0.65
) -> Picture:
    """The frame in grey with every labelled pixel in the colour of its kind (see `errors`): green
    agreement, red missed, blue extra, yellow of another id; outlined is the truth.
    """
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    kinds = errors(truth, result)
    colours = np.array([(0, 0, 0), AGREED, MISSED, EXTRA, SWAPPED], np.float32)[kinds]
    mixed = (1 - alpha) * grey + alpha * colours
    view = np.where(kinds[..., None] > 0, mixed, grey).astype(np.uint8)
    contours, _ = cv2.findContours(
        (truth > 0).view(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE
    )
    cv2.drawContours(view, contours, -1, (255, 255, 255), 1, cv2.LINE_AA)
    return view


def side_by_side(
    image: Picture, truth: NDArray[np.uint8] | None, result: NDArray[np.uint8], width: int = 320
) -> Picture:
    """Frame, truth, result and errors in a row; without truth only frame and result."""

    def marked(labels: NDArray[np.uint8]) -> Picture:
        picture = tint(image, labels, 0.55)
        outline(picture, labels, max(1.0, min(labels.shape) / 480))
        return picture

    if truth is None:
        views, names = [image, marked(result)], ['frame', 'result']
    else:
        views = [image, marked(truth), marked(result), error_view(image, truth, result)]
        names = ['frame', 'truth', 'result', 'errors']
    return contact_sheet(views, names, columns=len(views), tile_width=width)
