"""Where the patch around a point of one image is in another, to a part of a pixel."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from drift_ros.points.interpolation import interpolated

Floats = NDArray[np.float32]
Image = NDArray[np.uint8]

WINDOW = 21  # px of a side of the patches that are compared
HALVINGS = 2  # of the images, from which the search begins
STOP = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 10, 0.02)
AROUND = 25  # px of a side of what contrast is measured in
NOISE = 6.0  # grey levels; contrast as low as this is not raised
CONTRAST = 40.0  # grey levels of the standard deviation that everything is brought to


def flatten(image: Image) -> Image:
    """Grey levels (H, W) of an image (H, W, 3) uint8 RGB, or (H, W), without light and shade: less
    their mean around each pixel, over their standard deviation there.
    """
    grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    size = (AROUND, AROUND)
    mean = cv2.boxFilter(grey, cv2.CV_32F, size)
    variance = cv2.sqrBoxFilter(grey, cv2.CV_32F, size)
    cv2.subtract(variance, mean * mean, variance)  # in place: new arrays take longer than sums
    cv2.add(cv2.max(variance, 0, variance), NOISE**2, variance)
    deviation = cv2.sqrt(variance, variance)
    apart = cv2.subtract(grey, mean, mean, dtype=cv2.CV_32F)
    flat = cv2.divide(apart, deviation, apart, scale=CONTRAST)
    return np.asarray(cv2.add(flat, 128.0, dtype=cv2.CV_8U), np.uint8)


def register(
    before: Image,
    now: Image,
    places: Floats,
    guesses: Floats,
    reach: NDArray[np.floating],
    window: int = WINDOW,
) -> tuple[Floats, Floats]:
    """Look for the patches around places of one image in another, there and back (Lucas and Kanade
    1981).

    Args:
        before, now: (H, W) of `flatten`.
        places: (N, 2) (x, y) in px of the patches.
        guesses: (N, 2) where they are sought.
        reach: (N,) px from there beyond which nothing is found.
        window: px of a side of the patches.

    Returns:
        (N, 2) where they are, and (N,) how far from the places the way back from there ends, in px;
        infinite for what was not found.
    """
    found, forth = seek(before, now, places, guesses, window)
    back, again = seek(now, before, found, places + found - guesses, window)
    good = forth & again & (np.linalg.norm(found - guesses, axis=1) <= reach)
    trip = np.linalg.norm(back - places, axis=1)
    return found, np.asarray(np.where(good, trip, np.inf), np.float32)


def way_back(before: Image, now: Image, places: Floats, found: Floats, window: int) -> Floats:
    """(N,) how far in px from places of one image patches end that are found in another, if they
    are sought from there on; infinite for what has no texture.

    It confirms what was found for less time than seeking it again would take.
    """
    back, again = seek(now, before, found, places, window, halvings=0)
    return np.asarray(np.where(again, np.linalg.norm(back - places, axis=1), np.inf), np.float32)


def patches(image: Image, places: Floats) -> Image:
    """(N, 21, 21) of an image (H, W) around places (N, 2) in px; beyond it that of its edge."""
    side = np.arange(WINDOW, dtype=np.float32) - WINDOW // 2
    at = np.empty((2, len(places), WINDOW, WINDOW), np.float32)
    at[0] = places[:, 0, None, None] + side
    at[1] = places[:, 1, None, None] + side[:, None]
    found = interpolated(image, *at.reshape(2, -1, WINDOW))
    return found.reshape(-1, WINDOW, WINDOW)


def misfit(own: Image, image: Image, places: Floats) -> Floats:
    """(N,) mean difference in grey levels of patches (N, 21, 21) from those of an image (H, W)
    around places (N, 2) in px.
    """
    apart = cv2.absdiff(own, patches(image, places)) if len(own) else own
    return np.asarray(apart.reshape(len(own), WINDOW**2).mean(1), np.float32)


def seek(
    before: Image,
    now: Image,
    places: Floats,
    guesses: Floats,
    window: int,
    halvings: int = HALVINGS,
) -> tuple[Floats, NDArray[np.bool_]]:
    """(N, 2) where patches around places of one image are in another, sought from guesses on, and
    (N,) whether they were found; see `register`.
    """
    if not len(places):
        return guesses, np.zeros(0, bool)
    found, status, _ = cv2.calcOpticalFlowPyrLK(
        before,
        now,
        places.reshape(-1, 1, 2),
        np.array(guesses, np.float32).reshape(-1, 1, 2),
        winSize=(window, window),
        maxLevel=halvings,
        criteria=STOP,
        flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
    )
    return np.asarray(found[:, 0], np.float32), status[:, 0] == 1
