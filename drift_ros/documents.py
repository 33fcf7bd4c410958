"""YAML and JSON that people hand over, read within limits.

Whatever a file holds, it is read or refused in about a second and in little memory: nested merge
keys, thousands of aliases, deep nesting and numbers without end are refused before anything is
made of them.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

from drift_ros.errors import DriftError

MIB = 1 << 20
MAX_SIZE = 4 * MIB  # bytes
LARGEST = 1 << 28  # bytes, and values, of files that programs write: results, lists of data sets
MAX_DEPTH = 50  # mappings and lists inside each other
MAX_VALUES = 30_000  # keys and values, those behind aliases counted wherever they are used
MAX_DIGITS = 40  # characters of a number
NUMBERS = ('tag:yaml.org,2002:int', 'tag:yaml.org,2002:float')
LONGEST_REASON = 300  # characters
_LONG = re.compile(rf'\d{{{MAX_DIGITS + 1}}}')

_Loader: Any = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)  # the former is 10 times as fast
_resolver = yaml.resolver.Resolver()


class DocumentError(DriftError):
    """A text is no YAML or JSON, or goes beyond the limits."""


def read_yaml(path: Path) -> Any:
    """The content of a YAML file: mappings, lists and plain values; None if it is empty.

    Raises:
        DocumentError: it cannot be read, is no YAML in UTF-8, or goes beyond the limits above.
    """
    return parse_yaml(_read(path, MAX_SIZE))


def parse_yaml(text: str) -> Any:
    """As `read_yaml`, of a text."""
    check_yaml(text)
    try:
        return yaml.load(text, _Loader)
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, OverflowError) as error:
        raise DocumentError(f'it is no YAML: {_short(error)}') from None


def check_yaml(text: str, values: int = MAX_VALUES) -> None:
    """Refuse a YAML text that goes beyond the limits, without making anything of it.

    Args:
        text: the text.
        values: largest number of keys and values.

    Raises:
        DocumentError: it does, or is no YAML.
    """
    if len(text) > MAX_SIZE:
        raise _beyond(f'has more than {MAX_SIZE // MIB} MiB')
    _Weigher(values).weigh(text)


def read_json(path: Path, size: int = MAX_SIZE, values: int = MAX_VALUES) -> Any:
    """The content of a JSON file.

    Args:
        path: of the file.
        size: largest number of bytes.
        values: largest number of keys and values.

    Raises:
        DocumentError: it cannot be read, is no JSON in UTF-8, or goes beyond the limits.
    """
    return parse_json(_read(path, size), values)


def parse_json(text: str, values: int = MAX_VALUES) -> Any:
    """As `read_json`, of a text."""
    try:
        # a hook for every number is slow, and hardly any file has a number to refuse
        content = json.loads(text, parse_int=_integer if _LONG.search(text) else None)
    except RecursionError:
        raise _deep() from None
    except ValueError as error:
        raise DocumentError(f'it is no JSON: {_short(error)}') from None
    _check(content, values)
    return content


class _Weigher:
    """Counts what a YAML text would become, event by event."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.total = 0
        self.open: list[tuple[str | None, int]] = []  # anchor, and total where it began
        self.anchors: dict[str, int] = {}  # anchor -> values behind it

    def weigh(self, text: str) -> None:
        try:
            for event in yaml.parse(text, _Loader):
                self._take(event)
        except yaml.YAMLError as error:
            raise DocumentError(f'it is no YAML: {_short(error)}') from None

    def _take(self, event: Any) -> None:
        if isinstance(event, yaml.CollectionStartEvent):
            self.open.append((event.anchor, self.total))
            self.total += 1
            if len(self.open) > MAX_DEPTH:
                raise _deep()
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = self.open.pop()
            if anchor is not None:
                self.anchors[anchor] = self.total - before
        elif isinstance(event, yaml.AliasEvent):
            if any(anchor == event.anchor for anchor, _ in self.open):
                raise DocumentError(f'the alias *{event.anchor} stands inside of what it names')
            self.total += self.anchors.get(str(event.anchor), 1)
        elif isinstance(event, yaml.ScalarEvent):
            self.total += 1
            if event.anchor is not None:
                self.anchors[event.anchor] = 1
            if len(event.value) > MAX_DIGITS and _tag(event) in NUMBERS:
                raise _long(event.value)
        if self.total > self.limit:
            raise _many(self.limit)


def _tag(event: Any) -> str:
    if event.tag is not None or not event.implicit[0]:
        return str(event.tag)
    return str(_resolver.resolve(yaml.ScalarNode, event.value, event.implicit))


def _read(path: Path, size: int) -> str:
    try:
        with path.open('rb') as file:
            data = file.read(size + 1)
        if len(data) > size:
            raise _beyond(f'has more than {size // MIB} MiB')
        return data.decode('utf-8')
    except (OSError, UnicodeDecodeError) as error:
        raise DocumentError(str(error)) from None


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise _long(text)
    return int(text)


def _check(content: Any, values: int) -> None:
    level: list[Any] = [[content]]
    count = 1
    for _ in range(MAX_DEPTH + 1):
        level = [v for each in level for v in _inside(each) if isinstance(v, dict | list)]
        count += sum((1 + isinstance(each, dict)) * len(each) for each in level)
        if count > values:
            raise _many(values)
        if not level:
            return
    raise _deep()


def _inside(each: Any) -> Any:
    return each.values() if isinstance(each, dict) else each


def _many(values: int) -> DocumentError:
    return _beyond(f'has more than {values} values, aliases counted as often as they are used')


def _deep() -> DocumentError:
    return _beyond(f'has more than {MAX_DEPTH} mappings and lists inside each other')


def _long(text: str) -> DocumentError:
    return _beyond(f'has a number of {len(text)} characters, {text[:10]}...')


def _beyond(what: str) -> DocumentError:
    return DocumentError(f'it {what}: no file of this kind needs that')


def _short(error: BaseException) -> str:
    text = ' '.join(str(error).split())
    return text if len(text) <= LONGEST_REASON else f'{text[:LONGEST_REASON]}...'
