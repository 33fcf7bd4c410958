"""Prompts from files: YAML or JSON that names them, or an annotated PNG that shows them.

A YAML or JSON file has one list, `prompts`; config/prompts_example.yaml shows every field of an
entry. An entry has at least one of points, box, boxes and mask. Its frame is named by `frame`, the
number in the source (0 if neither is given), or by `stamp`: decimal seconds in quotes, or an
integer in nanoseconds. A bare decimal number is refused: it cannot hold today's time to the
nanosecond. The same id on a later frame corrects that target from there on.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten
from typing import Annotated, Any, Literal

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from drift_ros.documents import DocumentError, read_json, read_yaml
from drift_ros.errors import PromptError, SourceError
from drift_ros.paths import below
from drift_ros.pictures import PictureError, read_values
from drift_ros.prompts.prompt import Prompt
from drift_ros.prompts.validate import MAX_ID
from drift_ros.runs.atomic import write_text

Number = Annotated[float, Field(allow_inf_nan=False)]
BINARY_VALUE = 255  # of a PNG that only says object or not
LONGEST = 300  # characters of a problem
SHOWN = 8  # problems of a file, or values of a picture, that an error lists


@dataclass(frozen=True, slots=True)
class TimedPrompt:
    """A prompt and the frame that it was given on.

    Attributes:
        prompt: the prompt; whether it fits the image is for `validate` to say.
        frame: number of the frame in its source, counted from 0, or None if the stamp names it.
        stamp: stamp of the frame in ns, or None if the number names it.
    """

    prompt: Prompt
    frame: int | None = 0
    stamp: int | None = None

    def is_on(self, index: int, stamp: int) -> bool:
        """Whether it was given on the frame of a number and a stamp in ns."""
        return self.stamp == stamp if self.stamp is not None else self.frame == index

    def __str__(self) -> str:
        prompt = self.prompt
        who = prompt.name or (f'id {prompt.id}' if prompt.id else 'without name')
        if self.stamp is None:
            return f'prompt {who} on frame {self.frame}'
        return f'prompt {who} on stamp {self.stamp // 10**9}.{self.stamp % 10**9:09d} s'


class _Entry(BaseModel):
    model_config = ConfigDict(extra='forbid')

    id: int = Field(0, ge=0, le=MAX_ID)
    name: str = ''
    frame: int | None = Field(None, ge=0)
    stamp: int | None = Field(None, ge=0, lt=2**63)
    points: list[tuple[Number, Number]] = []
    point_labels: list[Literal[0, 1]] | None = None
    box: tuple[Number, Number, Number, Number] | None = None
    boxes: list[tuple[Number, Number, Number, Number]] = []
    mask: str | None = None
    value: int | None = Field(None, ge=1)

    @field_validator('stamp', mode='before')
    @classmethod
    def _nanoseconds(cls, value: Any) -> Any:
        if isinstance(value, float):
            raise ValueError(
                'a bare decimal number loses nanoseconds; put seconds in quotes, or give '
                'nanoseconds as an integer'
            )
        if not isinstance(value, str):
            return value
        match = re.fullmatch(r'(\d{1,10})(?:\.(\d{1,9}))?', value)
        if match is None:
            raise ValueError('must be decimal seconds, at most nine decimals: 12.345678901')
        seconds, fraction = match.groups(default='')
        return int(seconds) * 10**9 + int(fraction.ljust(9, '0'))

    @model_validator(mode='after')
    def _consistent(self) -> _Entry:
        if self.frame is not None and self.stamp is not None:
            raise ValueError('give frame or stamp, not both')
        if self.point_labels is not None and len(self.point_labels) != len(self.points):
            raise ValueError(
                f'point_labels has {len(self.point_labels)} values for {len(self.points)} points'
            )
        if self.value is not None and self.mask is None:
            raise ValueError('value picks the pixels of a mask, but there is no mask')
        if not (self.points or self.box or self.boxes or self.mask):
            raise ValueError('points, box, boxes and mask are all missing; give at least one')
        return self


class _File(BaseModel):
    model_config = ConfigDict(extra='forbid')

    prompts: list[_Entry] = Field(min_length=1)


def read_prompts(path: str | Path) -> list[TimedPrompt]:
    """Read the prompts of a file.

    A YAML or JSON file lists them (see the head of this module). A PNG is an annotation of frame
    0: every value is a target with that id, 0 is background; a PNG whose only other value is 255
    is the mask of one target, id 1.

    Raises:
        SourceError: the file, or a mask that it names, is missing or unreadable.
        PromptError: a field is unknown, of the wrong type or out of its range.
    """
    path = Path(path).expanduser()
    if path.suffix.lower() == '.png':
        return _from_annotation(path)
    try:
        content = read_json(path) if path.suffix.lower() == '.json' else read_yaml(path)
    except DocumentError as error:
        raise SourceError(f'cannot read prompts from {path}: {error}') from None
    try:
        entries = _File.model_validate(content).prompts
    except ValidationError as error:
        problems = [_explain(problem) for problem in error.errors()[:SHOWN]]
        more = f'; and {error.error_count() - SHOWN} more' if error.error_count() > SHOWN else ''
        raise PromptError(f'prompts file {path}: {"; ".join(problems)}{more}') from None
    counts = Counter((e.id, e.frame or 0, e.stamp) for e in entries if e.id != 0)
    twice = sorted({id_ for (id_, *_), count in counts.items() if count > 1})
    if twice:
        raise PromptError(
            f'prompts file {path}: ids {twice} occur more than once on one frame; put all points '
            f'and boxes of an object there into one entry, and give every object its own id'
        )
    return [_timed(entry, path, f'prompts.{index}') for index, entry in enumerate(entries)]


def write_prompts(path: str | Path, prompts: Sequence[TimedPrompt]) -> None:
    """Write points and boxes as a YAML file that `read_prompts` reads.

    Raises:
        OutputError: it cannot be written there.
        ValueError: a prompt has a mask, which the file could only name.
    """
    entries = [_plain(timed) for timed in prompts]
    text = yaml.safe_dump({'prompts': entries}, sort_keys=False, allow_unicode=True)
    write_text(Path(path), text)


def _plain(timed: TimedPrompt) -> dict[str, Any]:
    prompt = timed.prompt
    if prompt.mask is not None:
        raise ValueError('masks are not written')
    when = {'frame': timed.frame} if timed.stamp is None else {'stamp': timed.stamp}
    entry: dict[str, Any] = {'id': prompt.id, 'name': prompt.name, **when}
    if len(prompt.points):
        entry |= {'points': prompt.points.tolist(), 'point_labels': prompt.point_labels.tolist()}
    if len(prompt.boxes):
        entry['boxes'] = prompt.boxes.tolist()
    return entry


def _timed(entry: _Entry, path: Path, where: str) -> TimedPrompt:
    boxes = ([entry.box] if entry.box else []) + entry.boxes
    labels = [1] * len(entry.points) if entry.point_labels is None else entry.point_labels
    mask = None
    if entry.mask is not None:
        field = f'prompts file {path}: {where}.mask'
        mask = _mask(below(path.parent, entry.mask, field), entry.value, field)
    prompt = Prompt(
        id=entry.id,
        name=entry.name,
        points=np.array(entry.points, np.float64).reshape(-1, 2),
        point_labels=np.array(labels, np.uint8),
        boxes=np.array(boxes, np.float64).reshape(-1, 4),
        mask=mask,
    )
    frame = 0 if entry.frame is None and entry.stamp is None else entry.frame
    return TimedPrompt(prompt, frame, entry.stamp)


def _mask(path: Path, value: int | None, where: str) -> NDArray[np.bool_]:
    try:
        values = _read_values(path)
    except SourceError as error:
        raise SourceError(f'{where}: {error}') from None
    mask = values != 0 if value is None else values == value
    if not mask.any():
        raise PromptError(
            f'{where}: no pixel of {path} is {"non-zero" if value is None else value}; its values '
            f'are {_some(np.unique(values))}'
        )
    return np.asarray(mask, bool)


def _from_annotation(path: Path) -> list[TimedPrompt]:
    values = _read_values(path)
    ids = [int(value) for value in np.unique(values) if value != 0]
    if ids == [BINARY_VALUE]:
        return [TimedPrompt(Prompt(id=1, mask=values == BINARY_VALUE))]
    wrong = [id_ for id_ in ids if id_ > MAX_ID]
    if wrong:
        raise PromptError(
            f'annotation {path} holds the values {_some(wrong)}; ids go from 1 to {MAX_ID}, number '
            f'the objects anew'
        )
    if not ids:
        raise PromptError(f'annotation {path} shows no object: all its pixels are 0')
    return [TimedPrompt(Prompt(id=id_, mask=values == id_)) for id_ in ids]


def _read_values(path: Path) -> NDArray[Any]:
    """Pixel values (H, W) of a PNG: palette indices or grey values, never colours."""
    try:
        values, mode, _ = read_values(path)
    except (OSError, PictureError) as error:
        raise SourceError(f'cannot read the image {path}: {error}') from None
    if values.ndim != 2:
        raise SourceError(
            f'{path} has colours (mode {mode}); expected an indexed palette or 8 or 16 bit grey '
            f'values, one value per object'
        )
    return values


def _some(values: Any) -> str:
    shown = ', '.join(str(int(value)) for value in list(values)[:SHOWN])
    return f'{shown}, ...' if len(values) > SHOWN else shown


def _explain(problem: Any) -> str:
    field = '.'.join(str(part) for part in problem['loc']) or 'content'
    given = problem['input']
    shown = f' is {given!r}' if isinstance(given, (str, int, float, bool, type(None))) else ''
    return shorten(f'{field}{shown}: {problem["msg"]}', LONGEST)
