"""The page over a recording."""

from __future__ import annotations

import time

from nicegui import ui

from drift_ros.errors import DriftError
from drift_ros.page.desk import Desk
from drift_ros.page.pictures import Album, Picture
from drift_ros.page.recorded import ARCHIVE, PROMPTS, Recording
from drift_ros.page.ui.stage import Stage
from drift_ros.page.ui.targets import Line, TargetList, state_words, tried
from drift_ros.structures import TargetState

REFRESH = 0.2  # s


class RecordedPage:
    """One open page.

    Args:
        recording: shared by all pages.
        album: where pictures are served from.
    """

    def __init__(self, recording: Recording, album: Album) -> None:
        self._recording = recording
        self._index = 0
        self._picture: Picture | None = None
        self._key: object = None
        self._playing_since: tuple[float, int] | None = None
        last = max(1, recording.cursor.count - 1)
        with ui.element('header').classes('top'):
            ui.label('drift').classes('brand')
            self._status = ui.label(recording.name).classes('status')
        with ui.element('main').classes('columns'):
            with ui.element('section').classes('left'):
                self._stage = Stage(album, self._newest, self._desk, self._accepted, self._refusal)
                with ui.element('div').classes('scrub'):
                    self._play = ui.button(icon='play_arrow', on_click=self._toggle)
                    self._play.props('flat round dense aria-label=play')
                    self._slider = ui.slider(min=0, max=last, value=0, on_change=self._scrub)
                    self._slider.props('aria-label=frame').classes('slider')
                    self._number = ui.label().classes('number')
            with ui.element('section').classes('right'):
                ui.label('Targets').classes('heading')
                self._list = TargetList(self._desk, self._stage.refine)
                with ui.element('div').classes('buttons'):
                    self._track = ui.button('Track', icon='play_circle', on_click=self._run)
                    self._track.props('no-caps')
                    prompts = ui.button('Prompts', icon='download', on_click=self._export_prompts)
                    results = ui.button('Results', icon='download', on_click=self._export_results)
                    for button, what in ((prompts, PROMPTS), (results, ARCHIVE)):
                        button.props('outline no-caps').tooltip(what)
                self._progress = ui.linear_progress(0, show_value=False, size='6px')
                ui.label(
                    'Shift-click marks what is not the object. Mark on any frame, then Track. '
                    'Where a target goes astray, go to that frame, mark it again and track anew.'
                ).classes('note')
        ui.timer(REFRESH, self._refresh)
        self._refresh()

    def close(self) -> None:
        """The page is gone."""
        self._stage.session.close()
        self._picture = None

    # ----------------------------------------------------------------------------- what is seen

    def _desk(self) -> Desk | None:
        return self._recording

    def _refusal(self) -> str:
        return 'It is being tracked: stop that first.' if self._recording.running else ''

    def _newest(self) -> Picture | None:
        if self._playing_since is not None:
            begin, first = self._playing_since
            self._index = first + int((time.monotonic() - begin) * self._recording.fps)
            if self._index >= self._recording.cursor.count - 1:
                self._playing_since = None
        self._index = max(0, min(self._index, self._recording.cursor.count - 1))
        key = self._recording.version(self._index)
        if key != self._key:
            try:
                self._picture = self._recording.picture(self._index)
            except DriftError:
                return self._picture
            self._key = key
        return self._picture

    def _refresh(self) -> None:
        recording = self._recording
        if (draft := self._stage.session.draft) is not None:
            self._index = draft.picture.frame.index  # where the marks are, and not on their way
        if self._slider.value != self._index:
            self._slider.set_value(self._index)
        self._number.set_text(f'{self._index} / {recording.cursor.count - 1}')
        self._play.props(f'icon={"pause" if self._playing_since else "play_arrow"}')
        self._track.set_text('Stop' if recording.running else 'Track')
        self._track.props(f'icon={"stop_circle" if recording.running else "play_circle"}')
        self._track.set_enabled(bool(recording.prompts))
        self._progress.set_visibility(recording.running)
        self._progress.set_value(recording.done / max(1, recording.cursor.count))
        words = [recording.name]
        if recording.running:
            words.append(
                f'tracking frame {recording.done}' if recording.done else 'loading the weights'
            )
        elif recording.problem:
            words.append(recording.problem)
        self._status.set_text(' · '.join(words))
        self._list.show(self._lines())

    def _lines(self) -> list[Line]:
        picture = self._picture
        seen = {obj.id: obj for obj in picture.objects} if picture else {}
        lines = []
        for target, name in self._recording.names.items():
            frames = self._recording.marked_frames(target)
            where = 'marked on ' + ', '.join(map(str, frames[:6])) + ('…' if frames[6:] else '')
            obj = seen.get(target)
            state = f'{state_words(obj.state, obj.unseen)}, {where}' if obj else where
            score = round(obj.score, 2) if obj is not None and obj.visible else None
            good = obj is None or obj.state == TargetState.VISIBLE
            lines.append(Line(target, name, state, score, good))
        return lines

    # --------------------------------------------------------------------------- what is asked

    def _scrub(self) -> None:
        if self._slider.value == self._index:
            return
        self._playing_since = None
        self._index = int(self._slider.value or 0)
        if self._stage.session.draft is not None:
            self._stage.cancel()

    def _toggle(self) -> None:
        start = 0 if self._index >= self._recording.cursor.count - 1 else self._index
        self._playing_since = None if self._playing_since else (time.monotonic(), start)

    def _accepted(self, target: int) -> None:
        self._key = None

    async def _run(self) -> None:
        if self._recording.running:
            self._recording.stop()
        else:
            self._stage.cancel()
            await tried(self._recording.track)

    async def _export_prompts(self) -> None:
        path = await tried(self._recording.write_prompts)
        if path is not None:
            ui.download.content(path.read_bytes(), PROMPTS)

    async def _export_results(self) -> None:
        path = await tried(self._recording.archive)
        if path is not None:
            ui.download.file(path, ARCHIVE)
