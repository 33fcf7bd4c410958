"""What is known about an object, from the label map and the depth of a frame."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from drift_ros.structures import Roi
from drift_ros.synthetic.ground_truth import Camera, ObjectTruth


def object_truth(
    id_: int,
    name: str,
    labels: NDArray[np.uint8],
    depth: NDArray[np.float32],
    full: int,
    centre: NDArray[np.float64],
    camera: Camera,
) -> ObjectTruth:
    """The truth about one object.

    Args:
        id_: its value in the label map.
        name: its name.
        labels: (H, W).
        depth: (H, W) in m.
        full: number of px that it would have in the image if nothing stood before it.
        centre: (3,) in m in the optical frame.
        camera: the intrinsics.
    """
    y, x = np.nonzero(labels == id_)
    if not len(x):
        nowhere = np.full(3, np.nan)
        centroid = (float('nan'), float('nan'))
        return ObjectTruth(id_, name, 0, full, Roi(), centroid, centre, nowhere)
    points = camera.deproject(x, y, depth[y, x])
    left, top = int(x.min()), int(y.min())
    return ObjectTruth(
        id_,
        name,
        area=len(x),
        full_area=full,
        roi=Roi(left, top, int(x.max()) - left + 1, int(y.max()) - top + 1),
        centroid=(float(x.mean()), float(y.mean())),
        centre=centre,
        position=np.median(points, axis=0),
    )
