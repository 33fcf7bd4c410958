"""Describes settings models for people: ranges in words, commented YAML, a table for the docs."""

from __future__ import annotations

import textwrap
from typing import Any, Literal, get_args, get_origin

import yaml
from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from drift_ros.settings import Settings, ZeroOr, fields, flatten

WIDTH = 98


def kind(info: FieldInfo) -> type:
    """Python type of a setting: bool, int, float, str, or list (of str)."""
    if get_origin(info.annotation) is Literal:
        return type(get_args(info.annotation)[0])
    if get_origin(info.annotation) is list:
        return list
    assert isinstance(info.annotation, type)
    return info.annotation


def marks(info: FieldInfo) -> dict[str, Any]:
    """The marks (such as `dynamic`) of a setting's declaration."""
    extra = info.json_schema_extra
    return extra if isinstance(extra, dict) else {}


def bounds(info: FieldInfo) -> tuple[float | None, float | None]:
    """Smallest and largest value of a setting, open bounds taken as closed ones."""
    low: Any = None
    high: Any = None
    for rule in info.metadata:
        low = rule.ge if isinstance(rule, Ge) else rule.gt if isinstance(rule, Gt) else low
        high = rule.le if isinstance(rule, Le) else rule.lt if isinstance(rule, Lt) else high
    return low, high


def constraints(info: FieldInfo) -> str:
    """What the bounds cannot say, in words."""
    words = []
    if get_origin(info.annotation) is Literal:
        words.append('one of: ' + ', '.join(str(choice) for choice in get_args(info.annotation)))
    for rule in info.metadata:
        if isinstance(rule, Gt):
            words.append(f'greater than {rule.gt}')
        if isinstance(rule, Lt):
            words.append(f'less than {rule.lt}')
        if isinstance(rule, ZeroOr):
            words.append(str(rule))
        if pattern := getattr(rule, 'pattern', None):
            words.append(f'matches {pattern}')
    return '; '.join(words)


def allowed(info: FieldInfo) -> str:
    """All values that a setting may take, in words; empty if any."""
    low, high = bounds(info)
    words = [f'{low} to {high}'] if low is not None and high is not None else []
    if rules := constraints(info):
        words.append(rules)
    return '; '.join(words)


def commented_yaml(settings: Settings, indent: str = '') -> str:
    """Values as YAML with descriptions and ranges as comments.

    A * marks what may change at run time, a + what may differ between cameras.
    """
    return '\n'.join(_lines(settings, indent)) + '\n'


def markdown_table(settings: Settings) -> str:
    """A table of all settings: name, type, default, allowed values, description."""
    values = flatten(settings)
    rows = ['| parameter | type | default | allowed | description |', '|---|---|---|---|---|']
    for name, info in fields(type(settings)):
        star = _signs(info)
        cells = [
            f'`{name}`{star}',
            kind(info).__name__,
            f'`{_scalar(values[name])}`',
            _cell(allowed(info)),
            _cell(info.description or ''),
        ]
        rows.append(f'| {" | ".join(cells)} |')
    return '\n'.join(rows) + '\n'


def _signs(info: FieldInfo) -> str:
    signs = ('*' * bool(marks(info).get('dynamic'))) + ('+' * bool(marks(info).get('camera')))
    return f' {signs}' if signs else ''


def _cell(text: str) -> str:
    return text.replace('|', '\\|')


def _lines(group: Settings, indent: str) -> list[str]:
    lines: list[str] = []
    # plain values before groups, so that it is plain where a group ends
    declared = type(group).model_fields
    for name in sorted(declared, key=lambda n: isinstance(getattr(group, n), Settings)):
        value, info = getattr(group, name), declared[name]
        if isinstance(value, Settings):
            about = (type(value).__doc__ or '').strip()
            lines += ['', *_comment(about, indent), f'{indent}{name}:']
            lines += _lines(value, indent + '  ')
        else:
            words = f' [{text}]' if (text := allowed(info)) else ''
            star = _signs(info)
            lines += _comment(f'{info.description}{words}{star}', indent)
            lines.append(f'{indent}{name}: {_scalar(value)}')
    return lines


def _comment(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=f'{indent}# ', subsequent_indent=f'{indent}# ')


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return str(yaml.safe_dump(value, default_flow_style=isinstance(value, list))).splitlines()[0]
