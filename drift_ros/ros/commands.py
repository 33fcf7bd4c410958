"""The node's services. They hand commands to the worker and answer when it has done them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.qos import QoSProfile
from std_srvs.srv import SetBool, Trigger

from drift_ros.errors import DriftError, PromptError
from drift_ros.prompts.prompt import Prompt
from drift_ros.ros import messages
from drift_ros.ros.bridge import Bridge
from drift_ros.ros.points import PointCommands
from drift_ros.ros.stamps import nanoseconds
from drift_ros.srv import RemoveTargets, ResetTargets
from drift_ros.structures import Preview
from drift_ros.tracking.tracker import Tracker

if TYPE_CHECKING:
    from drift_ros.ros.camera import Camera
    from drift_ros.ros.stream import Stream

log = logging.getLogger(__name__)

MAX_WAITING = 64  # calls that wait for the tracker
MAX_CALLS = 256  # calls that come at once, before the executor takes the first

Answer = TypeVar('Answer')


class NotActiveError(DriftError):
    """A service was called while the node does not track."""


class BusyError(DriftError):
    """More calls wait than anyone means."""


class Commands:
    """reset_targets, remove_targets, clear and pause of one camera.

    They exist in every state of the node; while it is not active they answer so.

    Args:
        node: a TrackerNode.
        camera: whose targets they are about.
    """

    def __init__(self, node: Any, camera: Camera) -> None:
        self._node = node
        self._camera = camera
        self._bridge = Bridge(node)
        group = ReentrantCallbackGroup()
        for kind, name, callback in (
            (ResetTargets, 'reset_targets', self._reset),
            (RemoveTargets, 'remove_targets', self._remove),
            (Trigger, 'clear', self._clear),
            (SetBool, 'pause', self._pause),
        ):
            node.create_service(
                kind,
                camera.private(name),
                callback,
                qos_profile=QoSProfile(depth=MAX_CALLS),
                callback_group=group,
            )
        self._points = PointCommands(node, camera.private, self._do, self._respond)

    async def _reset(
        self, request: ResetTargets.Request, response: ResetTargets.Response
    ) -> ResetTargets.Response:
        async def run() -> str:
            prompts = messages.prompts(request.prompts)
            if not prompts:
                raise PromptError('there are no prompts: give one per target, or call ~/clear')
            stamp = nanoseconds(request.image_header.stamp) or None
            keep = request.keep_existing
            camera = request.image_header.frame_id
            if keep and all(_only_named(prompt) for prompt in prompts):
                if request.preview_only:
                    raise PromptError(
                        'preview_only shows masks, and the prompts hold nothing but names: give '
                        'points, boxes or masks, or leave preview_only out to rename'
                    )
                names = {prompt.id: prompt.name for prompt in prompts}
                generation = await self._do(lambda tracker: _rename(tracker, names))
                response.ids, response.generation = list(names), generation
                return f'renamed {_list(names)}'
            if request.preview_only:
                seen = await self._do(
                    lambda tracker: tracker.preview_targets(prompts, stamp, keep, camera)
                )
                _answer(seen, response)
                return f'understood {_list(seen.ids)}; nothing was changed'
            preview = await self._do(
                lambda tracker: tracker.set_targets(prompts, stamp, keep, camera),
                supersedes=not keep,
            )
            _answer(preview, response)
            self._note_reset(f'targets {_list(preview.ids)} set')
            return f'tracking {_list(preview.ids)}'

        return await self._respond('reset_targets', run, response)

    async def _remove(
        self, request: RemoveTargets.Request, response: RemoveTargets.Response
    ) -> RemoveTargets.Response:
        async def run() -> str:
            ids = list(request.ids)
            if not ids:
                raise PromptError('ids is empty: name the targets to remove, or call ~/clear')
            await self._do(lambda tracker: tracker.remove_targets(ids))
            return f'removed {_list(ids)}'

        return await self._respond('remove_targets', run, response)

    async def _clear(
        self, request: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response:
        async def run() -> str:
            ids = await self._do(_clear, supersedes=True)
            self._note_reset('cleared')
            return f'removed {_list(ids)}' if ids else 'there were no targets'

        return await self._respond('clear', run, response)

    async def _pause(
        self, request: SetBool.Request, response: SetBool.Response
    ) -> SetBool.Response:
        async def run() -> str:
            self._active_stream().pause(request.data)
            return 'paused: images are ignored until ~/pause false' if request.data else 'running'

        return await self._respond('pause', run, response)

    # ------------------------------------------------------------------------------- internals

    async def _respond(self, name: str, run: Callable[[], Any], response: Any) -> Any:
        """Run a service and put its outcome into the response; nothing it does ends the node."""
        name = self._camera.topic(name)
        try:
            response.message = await run()
            response.success = True
            log.info('~/%s: %s', name, response.message)
        except DriftError as error:
            response.message, response.success = str(error), False
            log.warning('~/%s refused: %s', name, error)
        except Exception as error:
            response.message, response.success = f'{type(error).__name__}: {error}', False
            log.exception('~/%s failed', name)
        return response

    async def _do(self, run: Callable[[Tracker], Answer], supersedes: bool = False) -> Answer:
        timeout = self._camera.settings.service_timeout
        stream = self._active_stream()
        if stream.waiting >= MAX_WAITING:
            raise BusyError(
                f'{stream.waiting} calls wait already: nothing was changed, call again later'
            )
        return await self._bridge.wait(stream.submit(run, supersedes), timeout)

    def _active_stream(self) -> Stream[Any]:
        if self._node.state != 'active':
            if self._node.state == 'finalized':
                raise NotActiveError(
                    'the node is finalized, it was shut down for good: start its process anew'
                )
            name = self._node.get_fully_qualified_name()
            steps = ['activate'] if self._node.state == 'inactive' else ['configure', 'activate']
            how = ' and '.join(f'`ros2 lifecycle set {name} {step}`' for step in steps)
            raise NotActiveError(
                f'the node is {self._node.state}, it tracks when active: run {how}'
            )
        assert self._camera.stream is not None
        return self._camera.stream

    def _note_reset(self, what: str) -> None:
        self._camera.diagnostics.last_reset = f'{datetime.now():%Y-%m-%d %H:%M:%S}, {what}'


def _answer(preview: Preview, response: ResetTargets.Response) -> None:
    response.ids = list(preview.ids)
    response.generation = preview.generation
    response.labels = messages.label_map(preview.labels, preview.frame)


def _only_named(prompt: Prompt) -> bool:
    empty = not len(prompt.points) and not len(prompt.boxes) and prompt.mask is None
    return empty and bool(prompt.id)


def _rename(tracker: Tracker, names: dict[int, str]) -> int:
    tracker.rename_targets(names)
    return tracker.generation


def _clear(tracker: Tracker) -> list[int]:
    """Forget the targets, but not the frames: a prompt may still name one of them."""
    ids = list(tracker.targets)
    tracker.clear_targets()
    return ids


def _list(ids: Any) -> str:
    return ', '.join(str(target_id) for target_id in ids)
