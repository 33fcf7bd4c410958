"""Depth image messages to metres (encodings by REP 118, what is no measurement by REP 117)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from drift_ros.errors import FrameError
from drift_ros.io.images import plane

MILLIMETRE = 0.001


def to_metres(message: Any) -> NDArray[np.float32]:
    """Convert a depth image message.

    Args:
        message: sensor_msgs/Image with encoding 32FC1 (metres) or 16UC1, mono16 (millimetres).

    Returns:
        (H, W) float32 in metres; NaN where there is no measurement (0, negative, NaN, infinite).

    Raises:
        FrameError: another encoding, or data that does not fit the size.
    """
    if message.encoding == '32FC1':
        depth = plane(message, np.float32, 1).astype(np.float32)
    elif message.encoding in ('16UC1', 'mono16'):
        depth = plane(message, np.uint16, 1) * np.float32(MILLIMETRE)
    else:
        raise FrameError(
            f'unknown depth encoding: {message.encoding!r}; expected 32FC1 (metres) or 16UC1 '
            '(millimetres)'
        )
    depth[~(np.isfinite(depth) & (depth > 0))] = np.nan
    return depth
