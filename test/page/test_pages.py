"""The pages themselves, with NiceGUI's simulated user in place of a browser."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import pytest

pytest.importorskip('nicegui', reason='the page is optional: nicegui')

from nicegui import ui
from nicegui.testing import User, user_simulation

from drift_ros.page.pictures import Album
from drift_ros.page.recorded import Recording
from drift_ros.page.ui.recorded_page import RecordedPage
from drift_ros.page.ui.stage import Stage
from drift_ros.settings import TrackerSettings, build

SETTINGS = build(TrackerSettings, {'features.name': 'patch', 'features.resolution': 0})
WAIT = 120.0  # s; no test waits that long where the machine does not stand still
HISTORY = 8  # pictures that the node keeps
GRACE = 2.0  # s until a picture that may be lost is shown again
RETRIES = int(WAIT / 0.1)  # of NiceGUI's, every 0.1 s


async def comes(condition: Callable[[], Any], timeout: float) -> Any:
    end = time.monotonic() + timeout
    while not (value := condition()) and time.monotonic() < end:
        await asyncio.sleep(0.02)
    return value


async def until(condition: Callable[[], Any]) -> Any:
    value = await comes(condition, WAIT)
    assert value, f'it did not come true in {WAIT} s'
    return value


def pointer(user: User, kind: str, x: float, y: float, **keys: Any) -> None:
    """At a place of the frame, which is sent in ten times its size."""
    event = {'mouse_event_type': f'pointer{kind}', 'image_x': 10 * x, 'image_y': 10 * y, **keys}
    user.find(ui.interactive_image).trigger('mouse', event)


async def see(stage: Stage, user: User) -> None:
    """Tell the page that its pictures have come, until it shows one that can be marked: an image
    may come before its result, and is sent without it.
    """

    def seen() -> Any:
        if stage.session._sent is not None:
            source = f'http://test{stage._image.source}'
            user.find(ui.interactive_image).trigger('loaded', {'source': source})
        return stage.session.shown is not None and stage.session.shown.tracked

    await until(seen)


def test_mark_name_track_and_correct(tmp_path: Path, tools: Any) -> None:
    for k in range(4):
        cv2.imwrite(str(tmp_path / f'{k}.png'), tools.scene(k, objects=2)[0][..., ::-1])
    recording = Recording(tmp_path, SETTINGS)
    pages: list[RecordedPage] = []

    async def walk() -> None:
        async with user_simulation(
            root=lambda: pages.append(RecordedPage(recording, Album()))
        ) as user:
            await user.open('/')
            stage = pages[0]._stage
            await see(stage, user)
            await user.should_see('No targets yet.', retries=RETRIES)
            pointer(user, 'down', 4, 4)
            pointer(user, 'move', 20, 20)
            pointer(user, 'up', 27, 27)
            await until(lambda: stage.session.preview is not None)
            assert '<path' in stage._image.content
            pointer(user, 'down', 50, 40, shiftKey=True)
            pointer(user, 'up', 50, 40)
            user.find(ui.input).type('a <b>cup</b>')
            user.find('Add').click()
            await user.should_see('1 a <b>cup</b>', retries=RETRIES)
            assert recording.prompts[0].prompt.point_labels.tolist() == [0]

            pointer(user, 'down', 36, 32)  # a second one, and away with it
            pointer(user, 'up', 36, 32)
            await until(lambda: stage.session.draft)
            user.find('Cancel').click()
            await until(lambda: stage.session.draft is None)

            user.find('Track').click()
            await until(lambda: recording.done == 4 and not recording.running)
            pages[0]._slider.set_value(3)
            await until(lambda: pages[0]._picture.frame.index == 3)
            await user.should_see('visible, marked on 0', retries=RETRIES)
            stage.refine(1)
            await user.should_see('Mark 1 a <b>cup</b> again', retries=RETRIES)
            pointer(user, 'down', float('nan'), 3)  # no browser sends that
            user.find(ui.interactive_image).trigger('mouse', {'image_x': 'x'})
            user.find(ui.interactive_image).trigger('loaded', {})
            pages[0].close()
            assert stage.session.shown is None and pages[0]._picture is None

    asyncio.run(walk())
    recording.close()


def test_a_live_page_marks_and_renames_over_a_real_node(make_rig: Any, tools: Any) -> None:
    from drift_ros.page.live import OWN, Live
    from drift_ros.page.ui.live_page import LivePage

    rig = make_rig(window__history=HISTORY).start()
    name = rig.node.get_fully_qualified_name()
    pages: list[LivePage] = []

    async def walk(live: Live) -> None:
        async with user_simulation(root=lambda: pages.append(LivePage(live, Album()))) as user:
            await user.open('/')
            await until(lambda: pages[0]._desk)
            assert pages[0]._desk.tracker == name
            watcher, stage = pages[0]._desk._view.watcher, pages[0]._stage
            k = 0

            async def shown() -> None:
                nonlocal k
                before = watcher.newest
                while watcher.newest is before:  # what it loses it does not ask for again
                    rig.show(k := k + 1)
                    await comes(lambda: watcher.newest is not before, GRACE)

            for topic, listeners in ((watcher.topic, 2), (f'{name}/tracks', 1)):
                await until(lambda t=topic, n=listeners: rig.node.count_subscribers(t) == n)
            await shown()
            await see(stage, user)
            first = stage.session.shown.frame.stamp
            truth = tools.scene(round((first - tools.stamp(0)) / tools.PERIOD))[1] == 1
            x, y = (int(places.min()) for places in truth.nonzero()[::-1])
            await shown()  # the tracker goes on
            pointer(user, 'down', x - 4, y - 4)
            pointer(user, 'up', x + 20, y + 20)
            await until(lambda: stage.session.preview is not None)
            assert not rig.stream.tracker.targets  # a preview does not count
            assert (stage.session.preview == truth).mean() > 0.95
            user.find(ui.input).type('cup')
            user.find('Add').click()
            await until(lambda: rig.stream.tracker.targets == {1: 'cup'})
            await shown()
            await user.should_see('1 cup', retries=RETRIES)
            desk = pages[0]._desk
            await asyncio.to_thread(desk.rename, 1, 'lid')
            assert rig.stream.tracker.targets == {1: 'lid'}

            await until(lambda: not stage.session.holds)
            old = stage.session.shown
            assert old is not None
            for _ in range(HISTORY + 1):  # the picture is forgotten
                await shown()
            pointer(user, 'down', 20, 16)
            pointer(user, 'up', 44, 40)
            await until(lambda: stage.session.draft and stage.session.draft.picture is not old)
            user.find('Cancel').click()
            live._chosen[name] = 'realtime'  # as another page would have it
            await until(lambda: pages[0]._preset.value == 'realtime')
            assert live.preset(f'{name}/wrist') == 'realtime' and live.preset(f'{name}_2') == OWN
            user.find('Pause').click()
            await until(lambda: rig.stream.paused)
            await asyncio.to_thread(desk.clear)
            assert not rig.stream.tracker.targets
            pages[0].close()
            assert stage.session.shown is None
            await until(lambda: rig.node.count_subscribers(f'{name}/tracks') == 0)

    with Live() as live:
        asyncio.run(walk(live))
