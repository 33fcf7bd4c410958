"""What pages show: a frame with what is known about it, encoded once for all pages."""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from drift_ros.structures import Frame, Roi, TrackedObject
from drift_ros.visualization.overlay import overlay

SMALLEST_SIDE, LARGEST_SIDE = 640, 1280  # px of the longer side of a picture that is sent
QUALITY = 82
KEPT, KEPT_BYTES = 16, 96 << 20

_numbers = itertools.count()
_encoding = threading.Lock()  # one at a time: the tracker needs the other cores


@dataclass(frozen=True, eq=False)
class Picture:
    """A frame as pages show it.

    Attributes:
        frame: the frame, in full size.
        labels: (H, W) uint8, value = id; None where nothing is known.
        objects: what is known about the targets in it.
        tracked: whether the tracker has seen the frame, so that prompts on it can count.
        name: its address, which begins with the stamp of the frame.
    """

    frame: Frame
    labels: NDArray[np.uint8] | None = None
    objects: tuple[TrackedObject, ...] = ()
    tracked: bool = True
    name: str = ''
    _jpeg: list[bytes] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        name = f'{self.frame.stamp}-{next(_numbers)}'
        object.__setattr__(self, 'name', name)

    @property
    def scale(self) -> float:
        """Pixels of the sent picture per pixel of the frame; small frames are sent larger, so that
        what is written on them can be read.
        """
        longer = max(self.frame.size)
        return min(max(longer, SMALLEST_SIDE), LARGEST_SIDE) / longer

    def jpeg(self) -> bytes:
        """The picture with masks and tags as JPEG."""
        with _encoding:
            if not self._jpeg:
                self._jpeg.append(self._encode())
        return self._jpeg[0]

    def _encode(self) -> bytes:
        image, labels = self.frame.image, self.labels
        height, width = self.frame.size
        if self.scale != 1:
            size = (max(1, round(width * self.scale)), max(1, round(height * self.scale)))
            way = cv2.INTER_AREA if self.scale < 1 else cv2.INTER_LINEAR
            image = np.asarray(cv2.resize(image, size, interpolation=way), np.uint8)
            if labels is not None:
                reduced = cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST)
                labels = np.asarray(reduced, np.uint8)
        if labels is not None:
            image = overlay(image, labels, [_scaled(o, self.scale) for o in self.objects], 0.4)
        _, data = cv2.imencode('.jpg', image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        return bytes(data)


class Album:
    """The pictures that were sent last, by name; bounded by number and by bytes."""

    def __init__(self) -> None:
        self._pictures: OrderedDict[str, Picture] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, picture: Picture) -> None:
        """Keep a picture until newer ones take its place."""
        with self._lock:
            self._pictures[picture.name] = picture
            size = sum(p.frame.image.nbytes for p in self._pictures.values())
            while len(self._pictures) > 1 and (len(self._pictures) > KEPT or size > KEPT_BYTES):
                size -= self._pictures.popitem(last=False)[1].frame.image.nbytes

    def get(self, name: str) -> Picture | None:
        """The picture of a name, if it is kept."""
        with self._lock:
            return self._pictures.get(name)

    def __len__(self) -> int:
        return len(self._pictures)


def _scaled(obj: TrackedObject, scale: float) -> TrackedObject:
    if scale == 1:
        return obj
    return replace(
        obj,
        roi=_scaled_roi(obj.roi, scale),
        centroid=_scaled_point(obj.centroid, scale),
        predicted_roi=_scaled_roi(obj.predicted_roi, scale),
        predicted_centroid=_scaled_point(obj.predicted_centroid, scale),
    )


def _scaled_roi(roi: Roi, scale: float) -> Roi:
    return Roi(*(round(value * scale) for value in (roi.x, roi.y, roi.width, roi.height)))


def _scaled_point(point: tuple[float, float], scale: float) -> tuple[float, float]:
    return (point[0] + 0.5) * scale - 0.5, (point[1] + 0.5) * scale - 0.5
