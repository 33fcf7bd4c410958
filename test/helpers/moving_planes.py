"""Images of an object that moves before a background, both flat, with their exact motion."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from drift_ros.points.motion import Field, Motion

Images = list[NDArray[np.uint8]]
SIZE = (240, 320)
BOX = (100, 70, 130, 110)  # left, top, width and height of an object in the first image


def texture(seed: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    """A smooth random image (H, W, 3)."""
    coarse = np.random.default_rng(seed).uniform(20, 235, (size[0] // 5, size[1] // 5, 3))
    return (
        cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC).clip(0, 255).astype(np.uint8)
    )


def camera(step: float, pan: float = 1.5) -> NDArray[np.float64]:
    """Homography of a background after so many images: it turns, comes nearer, and tilts."""
    turn, grow = 0.004 * step, 1 + 0.003 * step
    return np.array(
        [
            [grow * np.cos(turn), -grow * np.sin(turn), pan * step],
            [grow * np.sin(turn), grow * np.cos(turn), -step],
            [1e-6 * step, -2e-6 * step, 1],
        ]
    )


def scene(count: int, speed: tuple[float, float], pan: float = 1.5) -> Images:
    """Images of an object that moves before a background."""
    wide, thing = texture(1, (480, 1280)), texture(2, (BOX[3], BOX[2]))
    images = []
    for index in range(count):
        move = camera(index, pan) @ np.array([[1, 0, -480], [0, 1, -120], [0, 0, 1]])
        image = cv2.warpPerspective(wide, move, SIZE[::-1], flags=cv2.INTER_LINEAR)
        x, y = (start + index * each for start, each in zip(BOX[:2], speed, strict=True))
        shift = np.float32([[1, 0, x], [0, 1, y]])
        there = cv2.warpAffine(np.full(thing.shape, 255, np.uint8), shift, SIZE[::-1]) > 127
        image[there] = cv2.warpAffine(thing, shift, SIZE[::-1])[there]
        images.append(image)
    return images


def flows(images: Images) -> list[Field]:
    """From each image to the next."""
    motion = Motion()
    small = [motion.small(image) for image in images]
    found = [motion.between(*pair, images[0].shape[:2]) for pair in pairwise(small)]
    assert None not in found
    return [each for each in found if each is not None]
