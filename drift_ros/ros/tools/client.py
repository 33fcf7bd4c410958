"""Speaks to a tracker node from another process: its state, its prompts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import rclpy
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from numpy.typing import NDArray
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import RegionOfInterest
from std_srvs.srv import SetBool, Trigger

from drift_ros.errors import DriftError
from drift_ros.msg import Point2D
from drift_ros.msg import Prompt as PromptMessage
from drift_ros.prompts.prompt import Prompt
from drift_ros.ros import messages
from drift_ros.srv import RemoveTargets, ResetTargets

POLL = 0.1
TRANSITIONS = {
    'configure': Transition.TRANSITION_CONFIGURE,
    'activate': Transition.TRANSITION_ACTIVATE,
    'deactivate': Transition.TRANSITION_DEACTIVATE,
    'cleanup': Transition.TRANSITION_CLEANUP,
}


class ClientError(DriftError):
    """The node does not answer, or refuses."""


@dataclass(frozen=True, slots=True)
class Reply:
    """Answer of ~/reset_targets.

    Attributes:
        ids: ids of the prompted targets, in the order of the prompts.
        generation: generation of the results from now on.
        message: what the node says.
        labels: (H, W) uint8 of the prompted image as it was understood, value = id.
    """

    ids: tuple[int, ...]
    generation: int
    message: str
    labels: NDArray[np.uint8]


class Spinner:
    """A node in a ROS context of its own that a thread spins within a `with` statement."""

    def __init__(self, name: str) -> None:
        self._context = Context()
        rclpy.init(context=self._context)
        self.node = Node(name, context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._spin, name=name, daemon=True)

    def __enter__(self) -> Spinner:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown(timeout_sec=2)
        self._thread.join(timeout=2)
        self.node.destroy_node()
        rclpy.try_shutdown(context=self._context)

    def _spin(self) -> None:
        with suppress(ExternalShutdownException):
            self._executor.spin()


class TrackerClient:
    """Client of one tracker node. Its methods wait; call them from any thread but the one that
    spins the node.

    Args:
        node: a node that someone else spins.
        name: full name of the tracker node.
        alive: raises if waiting has become pointless, for example because the tracker's process has
            ended.
        camera: whose targets are meant; empty for the only one.
    """

    def __init__(
        self,
        node: Node,
        name: str = '/tracker',
        alive: Callable[[], None] = lambda: None,
        camera: str = '',
    ) -> None:
        self.name = name
        below = f'{name}/{camera}' if camera else name
        self._alive = alive
        self._get_state = node.create_client(GetState, f'{name}/get_state')
        self._change_state = node.create_client(ChangeState, f'{name}/change_state')
        self._reset = node.create_client(ResetTargets, f'{below}/reset_targets')
        self._remove = node.create_client(RemoveTargets, f'{below}/remove_targets')
        self._clear = node.create_client(Trigger, f'{below}/clear')
        self._pause = node.create_client(SetBool, f'{below}/pause')
        self._node = node

    def wait_active(self, timeout: float, autostart: bool = False) -> None:
        """Wait until the node tracks.

        Args:
            timeout: in s.
            autostart: whether the node starts itself. It then answers only when it is done with
                that, so that any other answer means that it failed.

        Raises:
            ClientError: it does not within `timeout` seconds, or its autostart has failed.
        """
        end = time.monotonic() + timeout
        state = 'not there'
        while time.monotonic() < end:
            self._alive()
            if self._get_state.service_is_ready():
                with suppress(ClientError):
                    answer = self.call(self._get_state, GetState.Request(), 5.0)
                    state = answer.current_state.label
                    if answer.current_state.id == State.PRIMARY_STATE_ACTIVE:
                        return
                    if autostart:
                        break
            time.sleep(POLL)
        if autostart and time.monotonic() < end:
            raise ClientError(f'the node {self.name} is {state}, it could not start itself')
        raise ClientError(f'the node {self.name} is {state} after {timeout:g} s, expected: active')

    def change_state(self, transition: str, timeout: float = 30.0) -> None:
        """Ask for a transition: configure, activate, deactivate or cleanup.

        Raises:
            ClientError: the node refuses, or does not answer in time.
        """
        request = ChangeState.Request()
        request.transition.id = TRANSITIONS[transition]
        if not self.call(self._change_state, request, timeout).success:
            raise ClientError(f'the node {self.name} refuses to {transition}; its log says why')

    def reset_targets(
        self,
        prompts: Sequence[Prompt],
        stamp: int = 0,
        frame_id: str = '',
        keep_existing: bool = False,
        timeout: float = 30.0,
        preview_only: bool = False,
    ) -> Reply:
        """Name the targets by prompts on the image with a stamp in ns (0: the newest one), or only
        ask what would be understood.

        Raises:
            ClientError: the node refuses, or does not answer in time.
        """
        request = ResetTargets.Request(keep_existing=keep_existing, preview_only=preview_only)
        request.image_header = messages.header(stamp, frame_id)
        request.prompts = [prompt_message(prompt) for prompt in prompts]
        answer = self.call(self._reset, request, timeout, checked=True)
        shape = (answer.labels.height, answer.labels.width)
        labels = np.frombuffer(answer.labels.data, np.uint8).reshape(shape)
        return Reply(tuple(answer.ids), int(answer.generation), str(answer.message), labels)

    def rename(self, target_id: int, name: str, timeout: float = 30.0) -> None:
        """Give a target another name; raises as `reset_targets`."""
        self.reset_targets([Prompt(id=target_id, name=name)], keep_existing=True, timeout=timeout)

    def remove(self, ids: Sequence[int], timeout: float = 30.0) -> None:
        """Stop tracking some targets; raises as `reset_targets`."""
        self.call(self._remove, RemoveTargets.Request(ids=list(ids)), timeout, checked=True)

    def clear(self, timeout: float = 30.0) -> None:
        """Forget all targets; raises as `reset_targets`."""
        self.call(self._clear, Trigger.Request(), timeout, checked=True)

    def pause(self, paused: bool, timeout: float = 30.0) -> None:
        """Ignore images, or take them again; raises as `reset_targets`."""
        self.call(self._pause, SetBool.Request(data=paused), timeout, checked=True)

    def close(self) -> None:
        """Give up the services' clients; the node stays."""
        for client in (
            self._get_state,
            self._change_state,
            self._reset,
            self._remove,
            self._clear,
            self._pause,
        ):
            self._node.destroy_client(client)

    def call(self, client: Any, request: Any, timeout: float, checked: bool = False) -> Any:
        """Call a service of the tracker and wait.

        Args:
            client: of the service.
            request: for it.
            timeout: in s, for the service to be there and to answer.
            checked: whether the answer has `success`, without which it is an error.

        Raises:
            ClientError: no answer came in time, or one without success.
        """
        end = time.monotonic() + timeout
        while not client.service_is_ready():
            self._alive()
            if time.monotonic() > end:
                raise ClientError(f'no service {client.srv_name} after {timeout:g} s')
            time.sleep(POLL)
        future = client.call_async(request)
        done = threading.Event()
        future.add_done_callback(lambda _: done.set())
        while not done.wait(POLL):
            self._alive()
            if time.monotonic() > end:
                client.remove_pending_request(future)
                raise ClientError(f'no answer from {client.srv_name} after {timeout:g} s')
        answer = future.result()
        if checked and not answer.success:
            raise ClientError(f'{client.srv_name}: {answer.message}')
        return answer


def prompt_message(prompt: Prompt) -> PromptMessage:
    """Message of a prompt. Boxes become whole pixels, large enough to hold the given ones."""
    message = PromptMessage(id=prompt.id, name=prompt.name)
    message.points = [Point2D(x=float(x), y=float(y)) for x, y in prompt.points]
    message.point_labels = [int(label) for label in prompt.point_labels]
    for x, y, width, height in prompt.boxes:
        left, top = max(0, int(np.floor(x))), max(0, int(np.floor(y)))
        right, bottom = int(np.ceil(x + width)), int(np.ceil(y + height))
        message.boxes.append(
            RegionOfInterest(x_offset=left, y_offset=top, width=right - left, height=bottom - top)
        )
    if prompt.mask is not None:
        message.mask = messages.image(prompt.mask.astype(np.uint8) * np.uint8(255), 'mono8', 0, '')
    return message
