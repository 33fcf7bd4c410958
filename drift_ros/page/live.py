"""Running trackers on the desk. Imports ROS; `drift page INPUT` does without this module."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drift_ros import resources
from drift_ros.errors import FrameError, PromptError
from drift_ros.page.desk import GoneError
from drift_ros.page.draft import Draft, clean_name
from drift_ros.page.pictures import Picture
from drift_ros.ros.tools.client import ClientError, Spinner, TrackerClient
from drift_ros.ros.tools.reconfiguring import Reconfigurer
from drift_ros.ros.tools.watching import Seen, Watcher, image_topics, node_of, trackers
from drift_ros.settings import read_yaml

OWN = 'as it was started'
TIMEOUT = 15.0  # s for an answer of the tracker
TOO_OLD = 'window.history'  # the setting that a tracker names when it refuses an old image


@dataclass
class View:
    """A tracker with one of its cameras, watched for one or more pages."""

    watcher: Watcher
    client: TrackerClient
    pages: int = 1
    item: object = None
    picture: Picture | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


class Live:
    """The trackers of the ROS graph. Listens to one only while a page looks at it.

    Args:
        image: topic to show; empty: what the tracker listens to.
    """

    def __init__(self, image: str = '') -> None:
        self._image = image
        self._spinner = Spinner('drift_page')
        self._views: dict[tuple[str, str], View] = {}
        self._lock = threading.Lock()
        self._reconfigurers: dict[str, Reconfigurer] = {}
        self._chosen: dict[str, str] = {}  # preset by full name of a tracker's node
        self._reconfiguring = threading.Lock()

    def __enter__(self) -> Live:
        self._spinner.__enter__()
        return self

    def __exit__(self, *args: object) -> None:
        self._spinner.__exit__(*args)

    def trackers(self) -> list[str]:
        """Full names of the trackers that are there."""
        return trackers(self._spinner.node)

    def cameras(self, tracker: str) -> dict[str, str]:
        """Topics of images that a tracker listens to, and their types; the likeliest first."""
        every = image_topics(self._spinner.node, tracker)
        found = {topic: kind for topic, kind in every.items() if 'depth' not in topic} or every
        if self._image in every:
            return {self._image: every[self._image], **found}
        return found

    def presets(self) -> list[str]:
        """Names of the settings that a tracker can be given; the first one is its own."""
        files = resources.names('config', suffix='.yaml')
        names = [Path(name).stem for name in files if not name.endswith('_example.yaml')]
        return [OWN, *names]

    def preset(self, tracker: str) -> str:
        """The preset that a tracker was given last, by whatever page."""
        chosen = list(self._chosen.items())
        return next((p for node, p in chosen if f'{tracker}/'.startswith(f'{node}/')), OWN)

    def reconfigure(self, tracker: str, preset: str) -> str:
        """Let a tracker begin anew with a preset. Returns its name.

        Raises:
            DriftError: it cannot; it then works as before, unless the message says otherwise.
        """
        if preset not in self.presets():
            raise ClientError(f'there is no preset {preset!r}')
        names = node_of(self._spinner.node, tracker)
        if names is None:
            raise ClientError(f'{tracker} is gone')
        full = f'{names[1].rstrip("/")}/{names[0]}'
        values = {} if preset == OWN else read_yaml(resources.path('config', f'{preset}.yaml'))
        with self._reconfiguring:
            if full not in self._reconfigurers:
                self._reconfigurers[full] = Reconfigurer(self._spinner.node, full)
            self._reconfigurers[full].apply(values)
            self._chosen[full] = preset
        return preset

    def open(self, tracker: str, topic: str) -> LiveDesk:
        """Look at a tracker; `close` the desk in the end.

        Raises:
            ClientError: the tracker does not listen to that topic.
        """
        kind = self.cameras(tracker).get(topic)
        if kind is None:
            raise ClientError(f'{tracker} does not listen to {topic}')
        with self._lock:
            view = self._views.get((tracker, topic))
            if view is None:
                node = self._spinner.node
                view = View(Watcher(node, tracker, topic, kind), TrackerClient(node, tracker))
                self._views[tracker, topic] = view
            else:
                view.pages += 1
        return LiveDesk(self, view)

    def close(self, view: View) -> None:
        """One page less looks at it."""
        with self._lock:
            view.pages -= 1
            if view.pages == 0:
                del self._views[view.watcher.tracker, view.watcher.topic]
                view.watcher.close()
                view.client.close()


class LiveDesk:
    """One page's look at a tracker.

    Attributes:
        tracker, topic: what is looked at.
    """

    def __init__(self, live: Live, view: View) -> None:
        self._live, self._view = live, view
        self.tracker, self.topic = view.watcher.tracker, view.watcher.topic

    def close(self) -> None:
        """Look away."""
        self._live.close(self._view)

    def picture(self) -> Picture | None:
        """The newest picture, the same object until there is a newer one; None if there is none."""
        view = self._view
        with view.lock:
            watcher = view.watcher
            item = watcher.newest
            active = watcher.status.get('state', 'active') == 'active'
            if item is not None and active:
                if item is not view.item:
                    view.item = item
                    with suppress(FrameError):
                        view.picture = _picture(watcher.read(item), tracked=True)
            elif not watcher.rate:
                with suppress(FrameError):
                    seen = watcher.camera()
                    if seen is not None and seen.frame.stamp != view.item:
                        view.item = seen.frame.stamp
                        view.picture = _picture(seen, tracked=False)
            return view.picture

    @property
    def picture_shown(self) -> Picture | None:
        """The last one that `picture` gave."""
        return self._view.picture

    @property
    def status(self) -> dict[str, str]:
        """What the tracker says of itself; empty until it has."""
        return self._view.watcher.status

    @property
    def rate(self) -> float:
        """Results per second."""
        return self._view.watcher.rate

    @property
    def latency(self) -> float:
        """Median time in s from an image to its result; NaN if there is none."""
        return self._view.watcher.latency

    def preview(self, draft: Draft) -> NDArray[np.bool_]:
        """See `Desk`; by the tracker's own segmenter, on the image as the tracker has it."""
        reply = self._reset(draft, preview_only=True)
        return np.asarray(reply[1] == reply[0], bool)

    def accept(self, draft: Draft) -> int:
        """See `Desk`."""
        return self._reset(draft, preview_only=False)[0]

    def rename(self, target_id: int, name: str) -> None:
        """See `Desk`."""
        self._view.client.rename(target_id, clean_name(name), TIMEOUT)

    def remove(self, target_id: int) -> None:
        """See `Desk`."""
        self._view.client.remove([target_id], TIMEOUT)

    def clear(self) -> None:
        """Forget all targets."""
        self._view.client.clear(TIMEOUT)

    def pause(self, paused: bool) -> None:
        """Let the tracker ignore images, or take them again."""
        self._view.client.pause(paused, TIMEOUT)

    def _reset(self, draft: Draft, preview_only: bool) -> tuple[int, NDArray[np.uint8]]:
        frame = draft.picture.frame
        try:
            reply = self._view.client.reset_targets(
                [draft.prompt()], frame.stamp, frame.frame_id, True, TIMEOUT, preview_only
            )
        except ClientError as error:
            if TOO_OLD in str(error):
                raise GoneError(str(error)) from None
            raise
        if reply.labels.shape != frame.size:
            raise PromptError('the tracker answers with a picture of another size')
        return reply.ids[0], reply.labels


def _picture(seen: Seen, tracked: bool) -> Picture:
    return Picture(seen.frame, seen.labels, seen.objects, tracked)
