"""The page over running trackers."""

from __future__ import annotations

import math

from nicegui import run, ui

from drift_ros.errors import DriftError
from drift_ros.page.desk import Desk
from drift_ros.page.live import OWN, Live, LiveDesk
from drift_ros.page.pictures import Album, Picture
from drift_ros.page.ui.stage import Stage
from drift_ros.page.ui.targets import Line, TargetList, state_words, sure, tried
from drift_ros.structures import TargetState

LOOK = 1.0  # s between looks at the graph
REFRESH = 0.3  # s between refreshes of the list
NOBODY = 'No tracker runs: ros2 launch drift_ros tracker.launch.py'
RESTART = (
    'The tracker begins anew with the settings "{}" and forgets its targets. Settings for large '
    'models need their weights, and in practice a GPU; where they cannot be loaded, it goes back.'
)
IDLE = 'The tracker does not track now, so clicks would not count.'


class LivePage:
    """One open page.

    Args:
        live: the trackers.
        album: where pictures are served from.
        tracker: to look at first; empty: the first one that there is.
    """

    def __init__(self, live: Live, album: Album, tracker: str = '') -> None:
        self._live, self._wanted = live, tracker
        self._desk: LiveDesk | None = None
        self._asking = False  # whether other settings are chosen, and not yet there
        with ui.element('header').classes('top'):
            ui.label('drift').classes('brand')
            self._tracker = ui.select([], label='tracker', on_change=self._choose)
            self._camera = ui.select([], label='camera', on_change=self._choose_camera)
            for choice in (self._tracker, self._camera):
                choice.props('dense outlined options-dense').classes('choice')
            self._status = ui.label(NOBODY).classes('status')
        with ui.element('main').classes('columns'):
            with ui.element('section').classes('left'):
                self._stage = Stage(album, self._newest, self._present, refusal=self._refusal)
            with ui.element('section').classes('right'):
                ui.label('Targets').classes('heading')
                self._list = TargetList(self._present, self._stage.refine)
                with ui.element('div').classes('buttons'):
                    self._pause = ui.button('Pause', icon='pause', on_click=self._toggle)
                    self._clear = ui.button('Clear all', icon='clear_all', on_click=self._ask_clear)
                    for button in (self._pause, self._clear):
                        button.props('outline no-caps')
                self._preset = ui.select(
                    live.presets(), value=OWN, label='settings', on_change=self._ask_preset
                )
                self._preset.props('dense outlined options-dense').classes('preset')
                ui.label(
                    'Shift-click marks what is not the object. The picture stands still while you '
                    'mark; the tracker goes on, and the target begins on the very picture that '
                    'you marked.'
                ).classes('note')
        ui.timer(LOOK, self._look)
        ui.timer(REFRESH, self._refresh)

    def close(self) -> None:
        """The page is gone."""
        self._stage.session.close()
        self._leave()

    def _leave(self) -> None:
        if self._desk is not None:
            self._desk.close()
            self._desk = None

    # ----------------------------------------------------------------------------- what is seen

    def _present(self) -> Desk | None:
        return self._desk

    def _newest(self) -> Picture | None:
        desk = self._desk
        return None if desk is None else desk.picture()

    def _refusal(self) -> str:
        picture = self._stage.session.shown
        return IDLE if picture is not None and not picture.tracked else ''

    async def _look(self) -> None:
        """See which trackers and cameras there are."""
        names = await run.io_bound(self._live.trackers) or []
        if names != self._tracker.options:
            first = self._wanted if self._wanted in names else next(iter(names), None)
            now = self._tracker.value
            self._tracker.set_options(names, value=now if now in names else first)
        if self._tracker.value:
            cameras = await run.io_bound(self._live.cameras, self._tracker.value)
            if cameras and list(cameras) != self._camera.options:
                now = self._camera.value
                topic = now if now in cameras else next(iter(cameras))
                self._camera.set_options(list(cameras), value=topic)
                self._choose_camera()
        self._tracker.set_visibility(len(names) > 1)
        self._camera.set_visibility(len(self._camera.options) > 1)

    def _choose(self) -> None:
        if not self._tracker.value:  # it is gone
            self._leave()
        self._camera.set_options([], value=None)
        self._stage.cancel()

    def _choose_camera(self) -> None:
        tracker, topic = self._tracker.value, self._camera.value
        if not (tracker and topic):
            return
        if self._desk is not None and (self._desk.tracker, self._desk.topic) == (tracker, topic):
            return
        self._leave()
        self._stage.cancel()
        try:
            self._desk = self._live.open(tracker, topic)
        except DriftError as error:
            ui.notify(str(error), type='negative')

    def _refresh(self) -> None:
        desk = self._desk
        if desk is None:
            self._status.set_text(NOBODY)
            self._list.show([])
            return
        status = desk.status
        words = [status.get('message') or status.get('state') or 'no word from the tracker']
        if desk.rate:
            words.append(f'{desk.rate:.1f} images/s')
            if math.isfinite(desk.latency):
                words.append(f'{desk.latency * 1e3:.0f} ms')
        if 'features' in status:
            words.append(f'{status["features"]} on {status.get("device", "?")}')
        self._status.set_text(' · '.join(words))
        paused = status.get('paused') == 'True'
        self._pause.set_text('Resume' if paused else 'Pause')
        self._pause.props(f'icon={"play_arrow" if paused else "pause"}')
        if not self._asking:
            self._preset.set_value(self._live.preset(desk.tracker))
        shown = desk.picture_shown
        self._list.show(
            [
                Line(
                    obj.id,
                    obj.name,
                    state_words(obj.state, obj.unseen),
                    round(obj.score, 2) if obj.visible else None,
                    obj.state == TargetState.VISIBLE,
                )
                for obj in (shown.objects if shown else ())
            ]
        )

    # --------------------------------------------------------------------------- what is asked

    async def _toggle(self) -> None:
        desk = self._desk
        if desk is not None:
            await tried(desk.pause, self._pause.text == 'Pause')

    async def _ask_clear(self) -> None:
        if await sure('Forget all targets?', 'Forget') and self._desk is not None:
            await tried(self._desk.clear)

    async def _ask_preset(self) -> None:
        preset = str(self._preset.value)
        desk = self._desk
        if desk is None or preset == self._live.preset(desk.tracker):
            return
        self._asking = True
        try:
            if await sure(RESTART.format(preset), 'Begin anew'):
                self._stage.cancel()
                self._preset.disable()
                await tried(self._live.reconfigure, desk.tracker, preset)
        finally:
            self._preset.enable()
            self._asking = False
