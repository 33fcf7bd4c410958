"""The items of a source, with a look at the next one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

Item = TypeVar('Item')


class Peekable(Generic[Item]):
    """Iterates over items.

    Args:
        items: read one by one, when they are asked for; at most one is read ahead.
    """

    def __init__(self, items: Iterable[Item]) -> None:
        self._items = iter(items)
        self._next: Item | None = None
        self._end: Exception | None = None

    def __iter__(self) -> Iterator[Item]:
        return self

    def __next__(self) -> Item:
        if self._end is not None:
            raise self._end
        if self._next is None:
            return next(self._items)
        item, self._next = self._next, None
        return item

    def peek(self) -> Item | None:
        """The next item; None at the end. What reading it raises comes when its turn has come."""
        if self._next is None and self._end is None:
            try:
                self._next = next(self._items)
            except Exception as end:
                self._end = end
        return self._next
