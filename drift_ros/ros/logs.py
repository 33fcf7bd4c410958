"""Logging of the library and the node in one place: the node's logger."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from typing import Any

LIBRARY = 'drift_ros'
THROTTLE = 5.0


class NodeLogHandler(logging.Handler):
    """Hands what the library logs to a node's logger, and so to the console and /rosout."""

    def __init__(self, logger: Any) -> None:
        super().__init__()
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        """Log one record with its severity."""
        text = record.getMessage()
        if record.exc_info:
            text += '\n' + logging.Formatter().formatException(record.exc_info)
        # rclpy wants each severity at a place of its own in the source
        if record.levelno >= logging.CRITICAL:
            self._logger.fatal(text)
        elif record.levelno >= logging.ERROR:
            self._logger.error(text)
        elif record.levelno >= logging.WARNING:
            self._logger.warning(text)
        elif record.levelno >= logging.INFO:
            self._logger.info(text)
        else:
            self._logger.debug(text)


def attach(logger: Any) -> NodeLogHandler:
    """Forward the library's log to a node's logger until `detach`."""
    handler = NodeLogHandler(logger)
    library = logging.getLogger(LIBRARY)
    library.addHandler(handler)
    if library.level == logging.NOTSET:
        library.setLevel(logging.INFO)
    return handler


def detach(handler: NodeLogHandler) -> None:
    """Undo `attach`."""
    logging.getLogger(LIBRARY).removeHandler(handler)


class Throttle:
    """Lets a message of one kind through every few seconds, and counts the others."""

    def __init__(self, seconds: float = THROTTLE) -> None:
        self._seconds = seconds
        self._last: dict[str, float] = {}
        self._held: defaultdict[str, int] = defaultdict(int)

    def __call__(self, kind: str) -> str | None:
        """None to keep silent, else what to add to the message: how many were held back."""
        now = time.monotonic()
        if now - self._last.get(kind, -self._seconds) < self._seconds:
            self._held[kind] += 1
            return None
        self._last[kind] = now
        held = self._held.pop(kind, 0)
        return f' ({held} more since the last such message)' if held else ''
