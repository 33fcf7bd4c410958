"""The list of targets beside the picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from nicegui import run, ui

from drift_ros.errors import DriftError
from drift_ros.page.desk import Desk
from drift_ros.page.draft import LONGEST_NAME, clean_name
from drift_ros.structures import TargetState
from drift_ros.visualization.overlay import colour_of
from drift_ros.visualization.pages import css

Answer = TypeVar('Answer')
NONE = 'No targets yet.'


@dataclass(frozen=True)
class Line:
    """What the list says of one target.

    Attributes:
        id, name: of the target.
        state: in words.
        score: 0 to 1; None where there is none.
        good: whether it is well.
    """

    id: int
    name: str
    state: str = ''
    score: float | None = None
    good: bool = True


def state_words(state: TargetState, unseen: float) -> str:
    """The state of a target, and for how long it was not seen."""
    if state == TargetState.VISIBLE:
        return 'visible'
    return f'{state.name.lower()} for {unseen:.1f} s'


class TargetList:
    """Rows that stay while their targets stay.

    Args:
        desk: takes what is done to targets.
        refine: called with the id of a target that is to be marked again.
    """

    def __init__(self, desk: Callable[[], Desk | None], refine: Callable[[int], object]) -> None:
        self._desk, self._refine = desk, refine
        self._rows: dict[int, Row] = {}
        self._shown: Sequence[Line] | None = None
        self._empty = ui.label(NONE).classes('hint')
        self._place = ui.element('div').classes('targets').props('role=list')

    def show(self, lines: Sequence[Line]) -> None:
        """Show these targets."""
        if lines == self._shown:
            return
        self._shown = lines
        self._empty.set_visibility(not lines)
        for target in set(self._rows) - {line.id for line in lines}:
            self._rows.pop(target).delete()
        for line in lines:
            if line.id not in self._rows:
                with self._place:
                    self._rows[line.id] = Row(line.id, self._ask_name, self._refine, self._remove)
            self._rows[line.id].show(line)

    async def _remove(self, target: int) -> None:
        if (desk := self._desk()) is not None:
            await tried(desk.remove, target)

    async def _ask_name(self, target: int) -> None:
        row = self._rows.get(target)
        with ui.dialog() as dialog, ui.card():
            name = ui.input(f'Name of target {target}', value=row.name if row else '')
            name.props(f'autofocus maxlength={LONGEST_NAME}')
            name.on('keydown.enter', lambda: dialog.submit(name.value))
            with ui.element('div').classes('buttons'):
                ui.button('Cancel', on_click=lambda: dialog.submit(None)).props('flat no-caps')
                ui.button('Rename', on_click=lambda: dialog.submit(name.value)).props('no-caps')
        given = await dialog
        dialog.delete()
        desk = self._desk()
        if given is not None and desk is not None:
            await tried(desk.rename, target, clean_name(given))


class Row:
    """One target.

    Args:
        target: its id.
        rename, refine, remove: called with it.
    """

    def __init__(
        self,
        target: int,
        rename: Callable[[int], object],
        refine: Callable[[int], object],
        remove: Callable[[int], object],
    ) -> None:
        self.name = ''
        with ui.element('div').classes('target').props('role=listitem') as self._row:
            ui.element('span').classes('swatch').style(f'background:{css(colour_of(target))}')
            with ui.element('div').classes('about'):
                self._title = ui.label().classes('title')
                self._state = ui.label().classes('state')
                self._score = ui.linear_progress(0, show_value=False, size='4px')
            for icon, what, action in (
                ('edit', 'rename', rename),
                ('touch_app', 'mark again', refine),
                ('delete', 'remove', remove),
            ):
                button = ui.button(icon=icon, on_click=lambda _, do=action: do(target))
                button.props(f'flat dense round size=sm aria-label="{what} target {target}"')
                button.tooltip(what)

    def show(self, line: Line) -> None:
        """Show what is known."""
        self.name = line.name
        self._title.set_text(f'{line.id} {line.name}'.strip())
        score = '' if line.score is None else f' · {line.score:.2f}'
        self._state.set_text(f'{line.state}{score}')
        self._score.set_visibility(line.score is not None)
        self._score.set_value(line.score or 0.0)
        self._row.classes(remove='bad') if line.good else self._row.classes(add='bad')

    def delete(self) -> None:
        """Take the row away."""
        self._row.delete()


async def tried(call: Callable[..., Answer], *args: object) -> Answer | None:
    """Do something in another thread; where it cannot be done say why, and give None."""
    try:
        return await run.io_bound(call, *args)
    except DriftError as error:
        ui.notify(str(error), type='negative', multi_line=True)
        return None


async def sure(question: str, yes: str) -> bool:
    """Ask before something that cannot be taken back."""
    with ui.dialog() as dialog, ui.card():
        ui.label(question)
        with ui.element('div').classes('buttons'):
            ui.button('Cancel', on_click=lambda: dialog.submit(False)).props('flat no-caps')
            ui.button(yes, on_click=lambda: dialog.submit(True)).props('no-caps')
    answer = await dialog
    dialog.delete()
    return bool(answer)
