"""Points in the node: services that name them, the topic that tells where they are, trails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.callback_groups import ReentrantCallbackGroup

from drift_ros.msg import PointTracks
from drift_ros.points import PointTracker
from drift_ros.ros import messages
from drift_ros.ros.geometry import Intrinsics
from drift_ros.ros.positions import Measured
from drift_ros.ros.stamps import nanoseconds
from drift_ros.srv import RemovePoints, SetPoints
from drift_ros.structures import Position, TrackedPoints, TrackingResult
from drift_ros.tracking.tracker import Tracker
from drift_ros.visualization.overlay import Picture
from drift_ros.visualization.trails import Trails

TOPIC = 'point_tracks'
NEAR = 1  # px around a point whose depths count


class PointCommands:
    """set_points and remove_points of one camera.

    Args:
        node: takes the services.
        private: name of a service of the camera.
        do: runs something with its tracker, and waits for the answer.
        respond: puts what a service did, or why it did not, into its response.
    """

    def __init__(
        self,
        node: Any,
        private: Callable[[str], str],
        do: Callable[[Callable[[Tracker], Any]], Any],
        respond: Callable[[str, Callable[[], Any], Any], Any],
    ) -> None:
        self._do, self._respond = do, respond
        group = ReentrantCallbackGroup()
        for kind, name, callback in (
            (SetPoints, 'set_points', self._set),
            (RemovePoints, 'remove_points', self._remove),
        ):
            node.create_service(kind, private(name), callback, callback_group=group)

    async def _set(
        self, request: SetPoints.Request, response: SetPoints.Response
    ) -> SetPoints.Response:
        async def run() -> str:
            positions = np.array([(p.x, p.y) for p in request.points], float).reshape(-1, 2)
            header, keep = request.image_header, request.keep_existing
            stamp = nanoseconds(header.stamp) or None

            def name(tracker: Tracker) -> tuple[NDArray[np.int64], int]:
                points = PointTracker.beside(tracker)
                ids = points.set_points(positions, stamp, keep, header.frame_id)
                return ids, points.generation

            ids, response.generation = await self._do(name)
            response.ids = ids.tolist()
            return f'following {len(ids)} points'

        return await self._respond('set_points', run, response)

    async def _remove(
        self, request: RemovePoints.Request, response: RemovePoints.Response
    ) -> RemovePoints.Response:
        async def run() -> str:
            ids = list(request.ids)

            def remove(tracker: Tracker) -> None:
                points = PointTracker.beside(tracker)
                points.remove_points(ids) if ids else points.clear()

            await self._do(remove)
            return f'removed {len(ids)} points' if ids else 'removed all points'

        return await self._respond('remove_points', run, response)


class PointOutputs:
    """What the node publishes about points.

    Args:
        advertise: makes a publisher from a type and a name.
    """

    def __init__(self, advertise: Callable[[type, str], Any]) -> None:
        self.publisher = advertise(PointTracks, TOPIC)
        self._trails = Trails()

    def publish(self, result: TrackingResult, measured: Measured | None) -> None:
        """Publish the points of a result, if there are any, with what depth tells of them."""
        points = result.points
        if points is None:
            return
        known = positions(points, measured.metres, measured.camera) if measured else {}
        self.publisher.publish(messages.point_tracks(result, known))

    def draw(self, picture: Picture, result: TrackingResult) -> None:
        """Draw points and their trails into the picture of a result."""
        self._trails.draw(picture, result.points)


def positions(
    points: TrackedPoints, metres: NDArray[np.float32], camera: Intrinsics
) -> dict[int, Position]:
    """Id -> (x, y, z) in m in the optical frame, of the visible points with a depth.

    The depth is the median of what was measured in the 3x3 px around a point; the nearest surface
    counts where a point lies on an edge, so values more than 5 % behind it are left out.
    """
    height, width = metres.shape
    found: dict[int, Position] = {}
    for id_, (x, y), seen in zip(
        points.ids.tolist(), points.positions.tolist(), points.visible.tolist(), strict=True
    ):
        column, row = round(x), round(y)
        if not seen or not (0 <= column < width and 0 <= row < height):
            continue
        near = metres[
            max(0, row - NEAR) : row + NEAR + 1, max(0, column - NEAR) : column + NEAR + 1
        ]
        near = near[np.isfinite(near) & (near > 0)]
        if len(near):
            z = float(np.median(near[near <= 1.05 * near.min()]))
            at = ((x - camera.cx) * z / camera.fx, (y - camera.cy) * z / camera.fy, z)
            found[id_] = at
    return found
