"""Records what the tracker publishes, and keeps an eye on how far it is."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from drift_ros.errors import DriftError, OutputError
from drift_ros.io.bag_writer import BagWriter
from drift_ros.io.messages import IMAGE, TRACKS, raw_stamp
from drift_ros.ros.messages import message_type
from drift_ros.ros.tools.recording import Recorder

DIAGNOSTICS = 'diagnostic_msgs/msg/DiagnosticArray'
POLL = 0.02


class SilentNodeError(DriftError):
    """The tracker does not publish what it should."""


class Listener:
    """Writes the tracker's topics to a bag. Use it in a `with` statement, which closes the bag.

    Args:
        node: a node that is spun by someone else.
        overlay: whether to record the pictures, too.
        camera: topic to record as well, for the time at which each image came, and its type.

    Attributes:
        newest: stamp in ns of the newest result.
        results: number of results.
        stride: new frames per window; 0 until the node has said so.
        last: monotonic time in s of the last result.
        diagnostics: last values of the node.
    """

    def __init__(
        self, node: Any, tracker: str, bag: Path, overlay: bool, camera: tuple[str, str]
    ) -> None:
        self.newest = self.results = self.stride = 0
        self.last = time.monotonic()
        self.diagnostics: dict[str, str] = {}
        self._problem: OutputError | None = None
        self._node = node
        self._tracker = tracker
        self._tracks = f'{tracker}/tracks'
        self._types = {
            self._tracks: TRACKS,
            f'{tracker}/labels': IMAGE,
            '/diagnostics': DIAGNOSTICS,
        }
        if overlay:
            self._types[f'{tracker}/overlay'] = IMAGE
        self._types[camera[0]] = camera[1]
        self._bag = BagWriter(bag)
        classes = {topic: message_type(kind) for topic, kind in self._types.items()}
        self._recorder = Recorder(node, classes, self._take)

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *_: object) -> None:
        self._recorder.close()
        self._bag.close()

    def wait_for_publishers(self, timeout: float, alive: Callable[[], None]) -> None:
        """Wait until every topic is offered; `alive` raises if waiting is pointless.

        Raises:
            SilentNodeError: not within `timeout` seconds.
        """
        end = time.monotonic() + timeout
        for topic in self._types:
            while not self._node.count_publishers(topic):
                alive()
                if time.monotonic() > end:
                    raise SilentNodeError(f'nobody publishes {topic} after {timeout:g} s')
                time.sleep(POLL)

    def check(self) -> None:
        """Nothing, as long as what comes can be recorded.

        Raises:
            OutputError: a message could not be written.
        """
        if self._problem is not None:
            raise self._problem

    def _take(self, topic: str, data: bytes, received: int) -> None:
        """In the thread that spins the node."""
        kind = self._types[topic]
        if self._problem is not None:
            return
        try:
            self._bag.write_raw(topic, kind, data, received)
        except OutputError as error:
            self._problem = error
            return
        if topic == self._tracks:
            self.newest = raw_stamp(data)
            self.results += 1
            self.last = time.monotonic()
        elif topic == '/diagnostics':
            self._note(self._bag.types.deserialize_cdr(data, kind))

    def _note(self, message: Any) -> None:
        for status in message.status:
            if status.name.startswith(f'{self._tracker}:'):
                self.diagnostics = {pair.key: pair.value for pair in status.values}
                self.stride = int(self.diagnostics.get('window stride', 0))
