"""A tracker node and a client beside it, over real DDS, and a small scene to show it."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

WAIT = 60.0  # s; nothing waits that long where the machine does not stand still
SIZE = (48, 64)
PERIOD = 33_333_333
FRAME_ID = 'camera_optical'


def until(condition: Callable[[], Any], what: str = 'the condition') -> Any:
    """Wait until something is true, and return it."""
    end = time.monotonic() + WAIT
    while not (value := condition()):
        assert time.monotonic() < end, f'{what} did not come true in {WAIT} s'
        time.sleep(0.002)
    return value


def scene(k: int, size: tuple[int, int] = SIZE, objects: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Frame k: RGB image and label map of squares that move 1 px per frame over a plain ground."""
    height, width = size
    ys, xs = np.mgrid[0:height, 0:width]
    image = np.stack([60 + xs % 40, 80 + ys % 40, 90 + (xs + ys) % 20], -1).astype(np.uint8)
    labels = np.zeros(size, np.uint8)
    for n in range(objects):
        x, y = (8 + k + 20 * n) % (width - 16), 8 + 16 * (n % 2)
        labels[y : y + 16, x : x + 16] = n + 1
        image[labels == n + 1] = [(230, 30, 30), (30, 220, 40), (40, 40, 230)][n % 3]
    return image, labels


class Rig:
    """The node under test and a client node, on one single-threaded executor in a thread."""

    ids = itertools.count()

    def __init__(self, **parameters: Any) -> None:
        import rclpy
        from rclpy.executors import SingleThreadedExecutor
        from rclpy.parameter import Parameter

        from drift_ros.ros.node import TrackerNode

        # descriptors of single frames, and a queue for everything that a test shows at once
        defaults = {'warm_up_size': '', 'features.name': 'patch', 'features.resolution': 0}
        defaults |= {'queue': 200}
        defaults |= {'diagnostics_period': 0.1}
        given = defaults | {name.replace('__', '.'): v for name, v in parameters.items()}
        self.name = f'tracker_{next(self.ids)}'
        given = {n.replace('{ns}', f'/{self.name}_ns'): v for n, v in given.items()}
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.node = TrackerNode(
            self.name,
            namespace=f'/{self.name}_ns',
            context=self.context,
            parameter_overrides=[Parameter(n, value=v) for n, v in given.items()],
        )
        self._first_generation = self.camera._generation
        self.client = rclpy.create_node(
            'client', namespace=f'/{self.name}_ns', context=self.context
        )
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.executor.add_node(self.client)
        self.leaving = threading.Event()
        self.expected_failures = 0  # of callbacks; any other is a fault
        self.failure: BaseException | None = None
        self.thread = threading.Thread(target=self._spin, daemon=True)
        self.thread.start()
        self.got: dict[str, list[Any]] = {}
        self.publishers: dict[str, Any] = {}
        self.shown = 0  # images since the activation

    @property
    def camera(self) -> Any:
        """The only one, or the first."""
        return self.node.cameras[0]

    @property
    def stream(self) -> Any:
        """Its images on their way through its tracker, while the node is configured."""
        assert self.camera.stream is not None
        return self.camera.stream

    def _spin(self) -> None:
        from drift_ros.ros.running import spin_once

        try:
            while not self.leaving.is_set():
                spin_once(self.executor, self.node, timeout=0.05)
        except Exception as error:
            self.failure = error

    # ----------------------------------------------------------------------------- conversation

    def listen(self, topic: str, kind: Any) -> list[Any]:
        """Collect what the node publishes on one of its private topics (or an absolute one)."""
        messages: list[Any] = []
        full = topic if topic.startswith('/') else f'{self.name}/{topic}'
        self.client.create_subscription(kind, full, messages.append, 1000)
        self.got[topic] = messages
        if not topic.startswith('/'):
            publisher = next(p for p in self.node.publishers if p.topic_name.endswith(full))
            until(lambda: publisher.get_subscription_count(), f'match on {topic}')
        return messages

    def tracks(self) -> list[Any]:
        from drift_ros.msg import TrackedObjectArray

        return self.got.get('tracks') or self.listen('tracks', TrackedObjectArray)

    def labels(self) -> list[Any]:
        from sensor_msgs.msg import Image

        return self.got.get('labels') or self.listen('labels', Image)

    def call(self, kind: Any, name: str, **request: Any) -> Any:
        """Call one of the node's services and wait for its answer."""
        return until(self.call_async(kind, name, **request).result, f'an answer of {name}')

    def call_async(self, kind: Any, name: str, **request: Any) -> Any:
        full = name if name.startswith('/') else f'{self.name}/{name}'
        client = self.client.create_client(kind, full)
        assert client.wait_for_service(WAIT)
        return client.call_async(kind.Request(**request))

    def change(self, transition: str) -> bool:
        """Ask for a lifecycle transition, as a manager would."""
        from lifecycle_msgs.msg import Transition
        from lifecycle_msgs.srv import ChangeState

        if transition == 'activate':
            self.shown = 0
        return bool(
            self.call(ChangeState, 'change_state', transition=Transition(label=transition)).success
        )

    def start(self) -> Rig:
        assert self.change('configure')
        assert self.change('activate')
        return self

    def set_parameter(self, name: str, value: Any) -> Any:
        from rcl_interfaces.srv import SetParameters
        from rclpy.parameter import Parameter

        parameter = Parameter(name, value=value).to_parameter_msg()
        return self.call(SetParameters, 'set_parameters', parameters=[parameter]).results[0]

    # -------------------------------------------------------------------------------- messages

    def publish(self, topic: str, message: Any, qos: Any = 50) -> None:
        """Publish on a topic of the namespace, once the node listens."""
        key = f'{topic}:{id(qos)}'
        if key not in self.publishers:
            publisher = self.client.create_publisher(type(message), topic, qos)
            self.publishers[key] = publisher
            until(publisher.get_subscription_count, f'match on {topic}')
        self.shown += topic.startswith('image')
        self.publishers[key].publish(message)

    def arrived(self) -> None:
        """Wait until every image that was shown has come; topics and services are not ordered."""
        inputs = self.camera.inputs
        if self.node.state == 'active':
            until(lambda: inputs._came >= self.shown, 'the arrival of the images')

    def image(self, rgb: np.ndarray, stamp: int, encoding: str = 'rgb8') -> Any:
        from drift_ros.ros import messages

        return messages.image(rgb, encoding, stamp, FRAME_ID)

    def show(self, k: int, **options: Any) -> None:
        """Publish frame k of the scene."""
        self.publish('image', self.image(scene(k, **options)[0], stamp(k)))

    def reset(
        self, k: int | None = None, *, keep: bool = False, frame_id: str = FRAME_ID, **prompt: Any
    ) -> Any:
        """Prompt with the true mask of object 1 in frame k, or with what is given."""
        from drift_ros.msg import Prompt
        from drift_ros.ros.messages import header
        from drift_ros.srv import ResetTargets

        self.arrived()
        if not prompt:
            mask = (scene(k or 0)[1] == 1).astype(np.uint8)
            prompt = {'mask': self.image(mask, 0, 'mono8')}
        return self.call(
            ResetTargets,
            'reset_targets',
            image_header=header(0 if k is None else stamp(k), frame_id),
            prompts=[Prompt(**prompt)],
            keep_existing=keep,
        )

    def resets(self, generation: int) -> int:
        """How often the targets were reset, by a generation of the node's first life."""
        return generation - self._first_generation

    def counters(self) -> Any:
        return self.stream.counters

    def close(self) -> None:
        import rclpy

        def leave() -> None:
            self.node.destroy_node()
            self.client.destroy_node()

        until(self.executor.create_task(leave).done, 'the end of the nodes')
        self.leaving.set()
        self.executor.wake()
        self.thread.join(WAIT)
        self.executor.shutdown()
        rclpy.try_shutdown(context=self.context)
        assert self.failure is None, f'the executor died: {self.failure!r}'
        assert self.node.failed_callbacks == self.expected_failures


def stamp(k: int) -> int:
    """Stamp of frame k in ns."""
    return 1_795_249_149_000_000_017 + k * PERIOD


def array(message: Any) -> np.ndarray:
    """(H, W) uint8 of a label map message."""
    return np.frombuffer(message.data, np.uint8).reshape(message.height, message.width)


@pytest.fixture
def make_rig() -> Iterator[Callable[..., Rig]]:
    pytest.importorskip('rclpy', reason='the room ros needs rclpy')
    pytest.importorskip('drift_ros.msg', reason='the interfaces are not built: run `make build`')
    rigs: list[Rig] = []

    def make(**parameters: Any) -> Rig:
        rigs.append(Rig(**parameters))
        return rigs[-1]

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the images are too small for more
    yield make
    for rig in rigs:
        rig.close()
    torch.set_num_threads(threads)


@pytest.fixture
def rig(make_rig: Callable[..., Rig]) -> Rig:
    """A node that is active."""
    return make_rig().start()


class Gate:
    """An extractor that can be held: while the gate is closed, each pass waits in it."""

    name = 'gated-patch'

    def __init__(self) -> None:
        self._open = threading.Event()
        self._open.set()
        self.waiting = threading.Event()
        self.passes = 0

    def open(self) -> None:
        self._open.set()

    def close(self) -> None:
        self.waiting.clear()
        self._open.clear()

    def make(self, settings: Any) -> Any:
        from drift_ros.features.patch import PatchExtractor

        gate = self

        class GatedPatch(PatchExtractor):
            def extract(self, window: Any) -> Any:
                gate.passes += 1
                gate.waiting.set()
                gate._open.wait(WAIT)
                return super().extract(window)

        return GatedPatch(torch.device('cpu'), torch.float32)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """An extractor of the registry that the test can hold."""
    from drift_ros.features import registry

    gate = Gate()
    entry = registry.Entry('a gate', gate.make)
    monkeypatch.setitem(registry.EXTRACTORS, gate.name, entry)
    yield gate
    gate.open()


@pytest.fixture(scope='session')
def tools() -> Any:
    """The helpers of this file, for tests (which cannot import it)."""
    from types import SimpleNamespace

    return SimpleNamespace(
        until=until, scene=scene, stamp=stamp, array=array,
        SIZE=SIZE, FRAME_ID=FRAME_ID, PERIOD=PERIOD, WAIT=WAIT,
    )  # fmt: skip
