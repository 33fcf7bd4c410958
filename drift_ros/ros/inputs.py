"""What the node listens to."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from drift_ros.errors import FrameError
from drift_ros.node_settings import NodeSettings
from drift_ros.ros.stamps import nanoseconds
from drift_ros.ros.subscribing import SensorSubscription

if TYPE_CHECKING:
    from drift_ros.ros.camera import Camera

LOW_DEPTH = 5
BURST = 32  # images that a player may begin with, where prompts are for the first of them
MATCH_PERIOD = 1.0
TYPES = {'raw': Image, 'compressed': CompressedImage}


class Inputs:
    """Subscriptions to image, camera_info and depth; belongs to the executor's thread.

    Who plays a recording waits for a subscription, so there is none before `subscribe`.

    Args:
        node: its namespace and remappings give the topics.
        settings: of the camera.
        camera: takes images, depth and camera_info while the gate is open, at once.

    Attributes:
        heard: monotonic time in s at which the last image came, before any is left out, or the gate
            was opened.
    """

    def __init__(self, node: Node, settings: NodeSettings, camera: Camera) -> None:
        assert camera.positions is not None
        self._node = node
        self._settings = settings
        self._positions = camera.positions
        self._camera = camera
        self._open = False
        self._came = 0
        self._newest: int | None = None  # stamp in ns
        self.heard = time.monotonic()
        self._rate = RateLimit()
        self._watchdog: Any = None
        self.image_topic = _image_topic(node, camera.topic('image'), settings.image_transport)
        self._info_topic = camera.topic('camera_info')
        self._subscriptions: list[SensorSubscription] = []
        self._matching: Any = None

    @property
    def topics(self) -> list[str]:
        """Full names of the topics."""
        return [subscription.name for subscription in self._subscriptions]

    @property
    def lost(self) -> dict[str, int]:
        """Messages that the middleware reported as lost, of the topics that lost any."""
        return {s.name: s.lost for s in self._subscriptions if s.lost}

    def subscribe(self) -> None:
        """Make the subscriptions; what comes is ignored while the gate is closed.

        Raises:
            InputError: a topic cannot be subscribed to.
        """
        node, settings, positions = self._node, self._settings, self._positions
        burst = max(LOW_DEPTH, settings.queue, settings.window.stride)
        images = max(burst, BURST) if settings.prompts_file else burst
        image = TYPES[settings.image_transport]
        room = self._camera.has_room if settings.image_history == 'keep_all' else None
        wanted: list[tuple[Any, ...]] = [
            (image, self.image_topic, self._image, images, self._lost, room),
            (CameraInfo, self._info_topic, positions.set_info, LOW_DEPTH),
            (Image, self._camera.topic('depth'), self._depth, burst),
        ]
        for given in wanted:  # one by one: those before one that fails are there to be destroyed
            self._subscriptions.append(SensorSubscription(node, *given))
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._matching = node.create_timer(MATCH_PERIOD, self._match, clock=steady)

    def open(self) -> None:
        """Let images through."""
        self._match()
        self._open = True
        self._came = 0
        self.heard = time.monotonic()
        if self._settings.missing_input_timeout:
            self._watchdog = self._node.create_timer(
                self._settings.missing_input_timeout,
                self._report_missing,
                clock=Clock(clock_type=ClockType.STEADY_TIME),
            )

    def close(self) -> None:
        """Ignore images."""
        self._open = False
        self._stop_watchdog()

    def update(self, settings: NodeSettings) -> None:
        """Take over changed settings."""
        self._settings = settings

    def destroy(self) -> None:
        """Give up the subscriptions."""
        self.close()
        if self._matching is not None:
            self._node.destroy_timer(self._matching)
            self._matching = None
        for subscription in self._subscriptions:
            subscription.destroy()
        self._subscriptions = []

    # ------------------------------------------------------------------------------ callbacks

    def _image(self, message: Any) -> None:
        self._came += 1
        self.heard = time.monotonic()
        if not self._open:
            return
        try:
            stamp = nanoseconds(message.header.stamp)
        except FrameError:
            self._camera.put(message)  # who makes a frame of it counts and reports it
            return
        if self._rate.passes(stamp, self._settings.max_rate):
            self._positions.add_image(message)
            self._camera.put(message, self._begins(stamp))

    def _begins(self, stamp: int) -> bool:
        """Whether an image is the first one, or the first after a step back of the time."""
        newest, jump = self._newest, max(self._settings.stream.backward_jump * 1e9, 1)
        if newest is None or newest - stamp >= jump:
            self._newest = stamp
            return True
        self._newest = max(newest, stamp)
        return False

    def _depth(self, message: Image) -> None:
        if self._open:
            self._positions.add_depth(message)

    # ------------------------------------------------------------------------------ internals

    def _match(self) -> None:
        for subscription in self._subscriptions:
            subscription.match()

    def _lost(self, count: int) -> None:
        if self._open:
            self._camera.lose(count)

    def _report_missing(self) -> None:
        self._stop_watchdog()
        seconds = f'{self._settings.missing_input_timeout:g} s'
        logger = self._node.get_logger()
        if not self._came:
            logger.warning(f'no image on {self.image_topic} after {seconds}: {self._why_silent()}')
        elif self._positions.depth_seen and not self._positions.info_seen:
            name = self._node.resolve_topic_name(self._info_topic)
            logger.warning(
                f'depth comes, but no camera_info on {name} after {seconds}: objects get no '
                'position'
            )

    def _why_silent(self) -> str:
        publishers = self._node.get_publishers_info_by_topic(self.image_topic)
        if not publishers:
            return 'nobody publishes there; remap `image` to the topic of the camera'
        expected = TYPES[self._settings.image_transport]
        kinds = sorted({info.topic_type for info in publishers})
        if f'sensor_msgs/msg/{expected.__name__}' not in kinds:
            return f'its publisher sends {", ".join(kinds)}; set image_transport to fit it'
        return 'there is a publisher, but it sends nothing that arrives'

    def _stop_watchdog(self) -> None:
        if self._watchdog is not None:
            self._node.destroy_timer(self._watchdog)
            self._watchdog = None


class RateLimit:
    """Thins a stream by its stamps."""

    def __init__(self) -> None:
        self._due = 0
        self._last = 0
        self._rate = 0.0

    def passes(self, stamp: int, rate: float) -> bool:
        """Whether a message with this stamp in ns may pass at `rate` messages per s (0: all)."""
        if not rate:
            return True
        period = round(1e9 / rate)  # whole numbers: a float cannot hold today's time to the ns
        back, self._last = stamp < self._last, stamp
        if back or rate != self._rate or stamp - self._due > period:
            self._due, self._rate = stamp, rate
        if stamp < self._due - period // 10:  # cameras are not that exact
            return False
        self._due += period
        return True


def _image_topic(node: Node, topic: str, transport: str) -> str:
    """Where image_transport publishes: compressed images lie below the name of the raw ones."""
    name = str(node.resolve_topic_name(topic))
    below = '/compressed'
    return name + below if transport == 'compressed' and not name.endswith(below) else name
