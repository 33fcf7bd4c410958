"""What a scene gives: frames and what is known about them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from drift_ros.structures import Roi

START = 1_000_000_000  # stamp of the first frame in ns; 0 would mean "no stamp" in ROS


@dataclass(frozen=True, slots=True)
class Camera:
    """A pinhole camera with square pixels and without distortion.

    Attributes:
        width, height: size of the image in px.
        focal: focal length in px.
    """

    width: int
    height: int
    focal: float

    @property
    def centre(self) -> tuple[float, float]:
        """Principal point (x, y) in px: the middle of the image; (0, 0) is a pixel's centre."""
        return (self.width - 1) / 2, (self.height - 1) / 2

    @property
    def k(self) -> NDArray[np.float64]:
        """(3, 3) camera matrix."""
        cx, cy = self.centre
        return np.array([[self.focal, 0, cx], [0, self.focal, cy], [0, 0, 1]])

    def deproject(
        self, x: NDArray[Any], y: NDArray[Any], depth: NDArray[Any]
    ) -> NDArray[np.float64]:
        """Points (N, 3) in m in the optical frame, from pixels x, y (N,) and depth (N,) in m."""
        cx, cy = self.centre
        z = np.asarray(depth, np.float64)
        return np.stack([(x - cx) * z / self.focal, (y - cy) * z / self.focal, z], axis=-1)


@dataclass(frozen=True, slots=True)
class ObjectTruth:
    """What is known about one object in one frame.

    Attributes:
        id: its value in the label map, 1..254.
        area: number of its visible pixels.
        full_area: number of pixels that it would have in the image if nothing stood before it.
        roi: tight box of the visible pixels, empty if there are none.
        centroid: mean (x, y) of the visible pixels in px; NaN if there are none.
        centre: (3,) its centre in m in the optical frame, known also while it is hidden.
        position: (3,) median of the points of its visible surface in m in the optical frame, which
            is what a depth camera can know; NaN if nothing is visible.
    """

    id: int
    name: str
    area: int
    full_area: int
    roi: Roi
    centroid: tuple[float, float]
    centre: NDArray[np.float64]
    position: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        id_: int,
        name: str,
        labels: NDArray[np.uint8],
        depth: NDArray[np.float32],
        full: int,
        centre: NDArray[np.float64],
        camera: Camera,
    ) -> ObjectTruth:
        """From the label map (H, W) and the depth (H, W) in m of a frame; the rest as above."""
        y, x = np.nonzero(labels == id_)
        if not len(x):
            nowhere = np.full(3, np.nan)
            centroid = (float('nan'), float('nan'))
            return cls(id_, name, 0, full, Roi(), centroid, centre, nowhere)
        points = camera.deproject(x, y, depth[y, x])
        left, top = int(x.min()), int(y.min())
        return cls(
            id_,
            name,
            area=len(x),
            full_area=full,
            roi=Roi(left, top, int(x.max()) - left + 1, int(y.max()) - top + 1),
            centroid=(float(x.mean()), float(y.mean())),
            centre=centre,
            position=np.median(points, axis=0),
        )

    @property
    def visibility(self) -> float:
        """Visible share of the object within the image, 0..1; 0 if it is outside."""
        return self.area / self.full_area if self.full_area else 0.0


@dataclass(frozen=True, slots=True)
class PointTruth:
    """Where points that are fixed on objects and on the background are.

    Attributes:
        positions: (..., N, 2) float32 (x, y) in px, also of hidden ones; NaN behind the camera.
        visible: (..., N) bool, the pixel that holds the point shows the very surface that it lies
            on.
        ids: (N,) uint8, label of what it lies on; 0: background.
    """

    positions: NDArray[np.float32]
    visible: NDArray[np.bool_]
    ids: NDArray[np.uint8]

    @classmethod
    def none(cls) -> PointTruth:
        """No points."""
        return cls(np.zeros((0, 2), np.float32), np.zeros(0, bool), np.zeros(0, np.uint8))


@dataclass(frozen=True, slots=True)
class SyntheticFrame:
    """One rendered frame with its truth.

    Attributes:
        index: number of the frame from 0.
        stamp: time in ns.
        image: (H, W, 3) uint8 RGB.
        labels: (H, W) uint8, id of the object seen at the pixel's centre, 0 = background.
        depth: (H, W) float32, distance along the optical axis in m, exact.
        objects: all objects, also hidden ones, ordered by id.
        points: the same points in every frame of a video.
    """

    index: int
    stamp: int
    image: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    depth: NDArray[np.float32]
    objects: tuple[ObjectTruth, ...]
    points: PointTruth


@dataclass(frozen=True, slots=True)
class Clip:
    """A whole video as arrays, for training.

    Attributes:
        images: (d, H, W, 3) uint8 RGB.
        labels: (d, H, W) uint8 ids, 0 = background.
        depth: (d, H, W) float32 in m.
        ids: (K,) uint8, ids of the objects, rising.
        visibility: (d, K) float32, visible share of every object within the image.
        centres: (d, K, 3) float32, their centres in m in the optical frame.
        points: positions (d, N, 2), visible (d, N), ids (N,).
    """

    name: str
    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    depth: NDArray[np.float32]
    ids: NDArray[np.uint8]
    visibility: NDArray[np.float32]
    centres: NDArray[np.float32]
    points: PointTruth


class Video(Protocol):
    """Frames that can be rendered in any order, always the same."""

    @property
    def name(self) -> str:
        """Its name, fit for a folder."""
        ...

    @property
    def camera(self) -> Camera:
        """The intrinsics, the same in all frames."""
        ...

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[SyntheticFrame]: ...

    def render(self, index: int) -> SyntheticFrame:
        """Frame number `index`."""
        ...


def stamp(index: int, rate: float) -> int:
    """Time in ns of a frame at a rate in frames per second."""
    return START + round(index * 1e9 / rate)
