"""What a group of settings is, and settings by dotted names."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, core_schema

from drift_ros.errors import SettingsError, shown

Model = TypeVar('Model', bound='Settings')
PLACES = r'^(\d+(\.\d+)?(,\d+(\.\d+)?)*)?$'  # of layers: `3` or `2.0,3.1`


class ZeroOr:
    """Rule of a setting that 0 turns off: otherwise it is at least `least`."""

    def __init__(self, least: float) -> None:
        self.least = least

    def __str__(self) -> str:
        return f'0 or at least {self.least:g}'

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def _check(self, value: float) -> float:
        if 0 < value < self.least:
            raise ValueError(f'must be {self}')
        return value


class Settings(BaseModel):
    """A group of settings. Unknown names and values out of range are refused."""

    model_config = ConfigDict(extra='forbid', frozen=True, validate_default=True)


def fields(model: type[Settings], prefix: str = '') -> Iterator[tuple[str, FieldInfo]]:
    """Dotted name and declaration of every setting below a model, in the order of declaration."""
    for name, info in model.model_fields.items():
        kind = info.annotation
        if isinstance(kind, type) and issubclass(kind, Settings):
            yield from fields(kind, f'{prefix}{name}.')
        else:
            yield f'{prefix}{name}', info


def flatten(settings: Settings) -> dict[str, Any]:
    """Dotted name -> value of every setting."""
    flat = {}
    for name, _ in fields(type(settings)):
        value: Any = settings
        for part in name.split('.'):
            value = getattr(value, part)
        flat[name] = value
    return flat


def build(model: type[Model], values: Mapping[str, Any]) -> Model:
    """Settings from dotted names (missing ones keep their defaults).

    Raises:
        SettingsError: a name is unknown, or a value is of the wrong type or out of its range.
    """
    known = [name for name, _ in fields(model)]
    nested: dict[str, Any] = {
        name: field.default.model_dump(exclude_unset=True)
        for name, field in model.model_fields.items()
        if isinstance(field.default, Settings)
    }
    for name, value in values.items():
        if name not in known:
            close = difflib.get_close_matches(name, known, 1)
            hint = f'; did you mean {close[0]!r}?' if close else f'; known are: {", ".join(known)}'
            raise SettingsError(f'unknown setting {shown(name)}{hint}')
        *groups, leaf = name.split('.')
        place = nested
        for group in groups:
            place = place.setdefault(group, {})
        place[leaf] = value
    try:
        return model.model_validate(nested)
    except ValidationError as error:
        raise SettingsError('; '.join(_explain(e) for e in error.errors())) from None


def _explain(error: Any) -> str:
    name = '.'.join(str(part) for part in error['loc'])
    return f'setting {name!r} is {shown(error["input"])}: {error["msg"]}'
