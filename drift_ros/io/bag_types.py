"""The message types of a bag: its own definitions, else those that are known here."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from rosbags.interfaces import Connection, MessageDefinitionFormat
from rosbags.typesys import Stores, get_types_from_idl, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from drift_ros.errors import SourceError
from drift_ros.io.messages import typestore

log = logging.getLogger('drift_ros.io')


class BagTypes:
    """Finds for each type what its messages are read with.

    There is one store for each type: a bag may hold other definitions than the library, and one
    that cannot be parsed must not spoil the others.
    """

    def __init__(self, connections: Iterable[Connection]) -> None:
        self._definitions = {c.msgtype: c.msgdef for c in connections}
        self._stores: dict[str, Typestore] = {}

    def store(self, kind: str) -> Typestore:
        """Store that holds a type.

        Raises:
            SourceError: the type is neither defined in the bag nor known here.
        """
        if kind not in self._stores:
            self._stores[kind] = self._make(kind)
        return self._stores[kind]

    def knows(self, kind: str) -> bool:
        """Whether messages of a type can be read."""
        try:
            self.store(kind)
        except SourceError:
            return False
        return True

    def _make(self, kind: str) -> Typestore:
        form, text = self._definitions[kind]
        try:
            if form != MessageDefinitionFormat.NONE:
                store = get_typestore(Stores.EMPTY)
                idl = form == MessageDefinitionFormat.IDL
                store.register(_from_idl(text) if idl else get_types_from_msg(text, kind))
                store.hash_rihs01(kind)  # fails where a type that it is made of is missing
                return store
        except Exception as error:  # the text comes from a file; its parser can fail anyhow
            log.warning('the definition of %s in the bag is broken: %s', kind, error)
        if kind in typestore().fielddefs:
            return typestore()
        raise SourceError(
            f'type {kind}: the bag does not define it, and it is not known here; record the bag '
            'as mcap, which keeps the definitions'
        )


def _from_idl(text: str) -> dict[str, Any]:
    """Types of an IDL definition, also of several that are joined as rosbag2 does."""
    rule = '=' * 80 + '\n'
    if not text.startswith(f'{rule}IDL: '):
        return dict(get_types_from_idl(text))
    parts = (part.split('\n', 1)[1] for part in text.split(rule)[1:])
    return {name: fields for part in parts for name, fields in get_types_from_idl(part).items()}
