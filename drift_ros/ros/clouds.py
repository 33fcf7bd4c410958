"""The visible targets as points, for planners and costmaps."""

from __future__ import annotations

import numpy as np
from sensor_msgs.msg import PointCloud2, PointField

from drift_ros.ros.messages import fill, header
from drift_ros.ros.positions import Measured
from drift_ros.structures import TrackingResult

LAYOUT = np.dtype([('x', '<f4'), ('y', '<f4'), ('z', '<f4'), ('id', '<u4')])
FIELDS = [
    PointField(name=name, offset=4 * n, datatype=kind, count=1)
    for n, (name, kind) in enumerate(
        [(axis, PointField.FLOAT32) for axis in 'xyz'] + [('id', PointField.UINT32)]
    )
]


def cloud(result: TrackingResult, measured: Measured | None) -> PointCloud2:
    """One point per pixel of a visible target that has a depth, in the image's frame.

    What is occluded or lost has no points.

    Args:
        result: of the image.
        measured: its depth; None gives an empty cloud.
    """
    seen = [obj for obj in result.objects if obj.visible] if measured else []
    found = [(obj.id, measured.points(obj)) for obj in seen if measured]
    points = np.zeros(sum(len(where) for _, where in found), LAYOUT)
    start = 0
    for target_id, where in found:
        part = points[start : start + len(where)]
        for n, axis in enumerate('xyz'):
            part[axis] = where[:, n]
        part['id'] = target_id
        start += len(where)
    message = PointCloud2(
        header=header(result.frame.stamp, result.frame.frame_id),
        height=1,
        width=len(points),
        fields=FIELDS,
        is_bigendian=False,
        point_step=LAYOUT.itemsize,
        row_step=points.nbytes,
        is_dense=True,
    )
    fill(message.data, points.view(np.uint8))
    return message
