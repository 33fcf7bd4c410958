"""Writes config/tracker.yaml: `python -m drift_ros.ros.defaults > config/tracker.yaml`."""

from __future__ import annotations

import textwrap
from typing import Any

import yaml
from pydantic import BaseModel

from drift_ros.ros.parameters import bounds, constraints
from drift_ros.ros.settings import NodeSettings, extra

HEADER = """\
# Parameters of the tracker node, with their defaults.
#
# Made by `python -m drift_ros.ros.defaults`: copy this file, do not edit it. The command line
# (`drift track --settings FILE`) reads the same format. What is marked with * may change while the
# node runs; set the others before it is configured.
/**:
  ros__parameters:
"""
INDENT = '    '
WIDTH = 98


def defaults() -> str:
    """The commented YAML of all parameters."""
    return HEADER + '\n'.join(_lines(NodeSettings(), INDENT)) + '\n'


def _lines(group: BaseModel, indent: str) -> list[str]:
    lines: list[str] = []
    # plain values before groups, so that it is plain where a group ends
    named = sorted(type(group).model_fields, key=lambda n: isinstance(getattr(group, n), BaseModel))
    for name in named:
        value, info = getattr(group, name), type(group).model_fields[name]
        if isinstance(value, BaseModel):
            about = (type(value).__doc__ or '').strip()
            lines += ['', *_comment(about, indent), f'{indent}{name}:']
            lines += _lines(value, indent + '  ')
        else:
            lines += _comment(f'{info.description}{_allowed(info)}', indent)
            lines.append(f'{indent}{name}: {_scalar(value)}')
    return lines


def _allowed(info: Any) -> str:
    low, high = bounds(info)
    words = [f'{low} to {high}'] if low is not None and high is not None else []
    if rules := constraints(info):
        words.append(rules)
    text = f' [{"; ".join(words)}]' if words else ''
    return f'{text} *' if extra(info).get('dynamic') else text


def _comment(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=f'{indent}# ', subsequent_indent=f'{indent}# ')


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return str(yaml.safe_dump(value)).splitlines()[0]


if __name__ == '__main__':
    print(defaults(), end='')
