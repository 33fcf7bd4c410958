"""The picture with its marks, and the bar under it that says what happens with them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from nicegui import run, ui
from nicegui.events import GenericEventArguments, KeyEventArguments, MouseEventArguments

from drift_ros.errors import DriftError
from drift_ros.page.desk import Desk, GoneError
from drift_ros.page.draft import LONGEST_NAME, Draft, clean_name
from drift_ros.page.pictures import Album, Picture
from drift_ros.page.session import Session
from drift_ros.visualization.overlay import title

PERIOD = 0.1  # s between pictures, at least
EVENTS = ['pointerdown', 'pointerup', 'pointerleave', 'pointercancel']
HINT = 'Click an object, or drag a box around it.'
REFINE = 'Mark {} again: click it, or drag a box around it.'
MOVED = 'The marked picture is too old by now. The marks are on the newest one: check, then add.'


class Stage:
    """One page's picture.

    Args:
        album: where the address of a picture finds it.
        newest: gives the picture to show; called in another thread.
        desk: takes the prompts; None while there is none.
        accepted: called with the id of each target that now counts.
        refusal: why nothing can be marked; empty: something can.
    """

    def __init__(
        self,
        album: Album,
        newest: Callable[[], Picture | None],
        desk: Callable[[], Desk | None],
        accepted: Callable[[int], object] = lambda target: None,
        refusal: Callable[[], str] = lambda: '',
    ) -> None:
        self.session = Session()
        self._album, self._newest, self._desk = album, newest, desk
        self._accepted, self._refusal = accepted, refusal
        self._previewing = self._accepting = False
        self._names: dict[int, str] = {}
        with ui.element('div').classes('stage'):
            self._image = ui.interactive_image(
                on_mouse=self._pointer, events=EVENTS, cross='#ffffff90'
            ).classes('picture')
            self._image.on('loaded', self._loaded)
            self._empty = ui.label('waiting for pictures').classes('empty')
        with ui.element('div').classes('bar'):
            self._hint = ui.label(HINT).classes('hint')
            self._busy = ui.spinner(size='1.4em')
            with ui.element('div').classes('tools') as self._tools:
                self._side = ui.toggle(
                    {True: 'On the object', False: 'Not on it'}, value=True, on_change=self._choose
                ).props('no-caps dense unelevated')
                self._name = ui.input(placeholder='name').props(
                    f'dense outlined maxlength={LONGEST_NAME} aria-label=name'
                )
                self._name.classes('name').on('keydown.enter', self.accept)
                ui.button(icon='undo', on_click=self._undo).props(
                    'flat dense aria-label="undo the last mark"'
                )
                ui.button('Cancel', on_click=self.cancel).props('flat no-caps')
                self._add = ui.button('Add', icon='check', on_click=self.accept).props('no-caps')
        ui.keyboard(on_key=self._key)
        ui.timer(PERIOD, self.tick)
        self._show()

    # --------------------------------------------------------------------------------- pictures

    async def tick(self) -> None:
        """Send the newest picture, if the browser is ready for it."""
        if not (self.session.waits or self.session.holds):
            picture = await run.io_bound(self._newest)
            if self.session.offer(picture):
                assert picture is not None
                self._send(picture)

    def _send(self, picture: Picture) -> None:
        self._names = {obj.id: obj.name for obj in picture.objects}
        self._album.add(picture)
        self._empty.set_visibility(False)
        self._image.set_source(f'/picture/{picture.name}.jpg')

    def _loaded(self, event: GenericEventArguments) -> None:
        self.session.loaded(str(event.args.get('source', '')))

    # ------------------------------------------------------------------------------------ marks

    def refine(self, target: int) -> None:
        """Let the next marks be for a target that there is."""
        self.session.cancel()
        self.session.target = target
        self._name.set_value(self._names.get(target, ''))
        self._show()

    def cancel(self) -> None:
        """Drop the marks."""
        self.session.cancel()
        self._name.set_value('')
        self._show()

    async def accept(self) -> None:
        """Let the marks count, once it was seen how they are understood."""
        if self._accepting:
            return
        self._accepting = True
        try:
            while self._previewing:
                await asyncio.sleep(PERIOD)
            draft, desk = self._draft(), self._desk()
            if draft is not None and desk is not None and draft.usable:
                self._busy.set_visibility(True)
                await self._accept(draft, desk)
        finally:
            self._accepting = False
            self._show()

    async def _accept(self, draft: Draft, desk: Desk) -> None:
        try:
            target = await run.io_bound(desk.accept, draft)
        except GoneError:
            await self._move_on()
        except DriftError as error:
            ui.notify(str(error), type='negative', multi_line=True)
        else:
            self.cancel()
            self._accepted(target or 0)

    async def _pointer(self, event: MouseEventArguments) -> None:
        session, place = self.session, (event.image_x, event.image_y)
        if event.type == 'pointerdown':
            if refusal := self._refusal():
                ui.notify(refusal, type='warning')
            elif event.button == 0:
                session.press(place, event.shift)
                self._listen(moves=True)
        elif event.type == 'pointermove':
            if session.move(place):
                self._draw()
        elif event.type in ('pointerup', 'pointerleave', 'pointercancel'):
            self._listen(moves=False)
            try:
                changed = session.release(place)
            except DriftError as error:
                ui.notify(str(error), type='warning')
            else:
                if changed:
                    await self._preview()

    def _listen(self, moves: bool) -> None:
        """Only while a button is down the browser says where the pointer is."""
        self._image.props['events'] = [*EVENTS, 'pointermove'] if moves else EVENTS

    def _key(self, event: KeyEventArguments) -> None:
        if event.action.keydown and event.key == 'Escape':
            self.cancel()

    async def _undo(self) -> None:
        self.session.undo()
        await self._preview()

    def _choose(self) -> None:
        self.session.on_object = bool(self._side.value)

    async def _preview(self) -> None:
        """Ask how the marks are understood; marks that are made meanwhile are asked for next."""
        self._show()
        if self._previewing:
            return
        self._previewing = True
        try:
            asked = -1
            while (draft := self._draft()) and draft.usable and asked != self.session.revision:
                asked = self.session.revision
                await self._ask(asked, draft)
        finally:
            self._previewing = False
            self._show()

    async def _ask(self, revision: int, draft: Draft) -> None:
        self._show()
        if (desk := self._desk()) is None:
            return
        try:
            mask = await run.io_bound(desk.preview, draft)
        except GoneError:
            await self._move_on()
        except DriftError as error:
            ui.notify(str(error), type='warning', multi_line=True)
        else:
            self.session.understood(revision, mask)

    async def _move_on(self) -> None:
        picture = await run.io_bound(self._newest)
        if picture is None or self.session.draft is None:
            return
        if picture is self.session.draft.picture or not picture.tracked:
            self.cancel()
            return
        self.session.move_on(picture)
        self._send(picture)
        ui.notify(MOVED, type='warning', multi_line=True)
        if not self._previewing:
            await self._preview()

    def _draft(self) -> Draft | None:
        draft = self.session.draft
        return None if draft is None else replace(draft, name=clean_name(self._name.value))

    # ---------------------------------------------------------------------------------- showing

    def _show(self) -> None:
        draft, target = self.session.draft, self.session.target
        self._busy.set_visibility(self._previewing)
        self._tools.set_visibility(draft is not None or bool(target))
        self._add.set_text('Update' if target else 'Add')
        self._add.set_enabled(draft is not None and draft.usable)
        if self._side.value != self.session.on_object:
            self._side.set_value(self.session.on_object)
        whose = title(target, self._names.get(target, ''))
        self._hint.set_text(REFINE.format(whose) if target else HINT)
        self._hint.set_visibility(draft is None)
        self._draw()

    def _draw(self) -> None:
        self._image.set_content(self.session.drawing())
