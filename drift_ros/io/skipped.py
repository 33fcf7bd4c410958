"""Notes about frames that could not be used."""

from __future__ import annotations

import logging

log = logging.getLogger('drift_ros.io')

MAX_REASONS = 100


class Skipped(list[str]):
    """Why frames were skipped: the first reasons, and how many frames in all.

    Attributes:
        total: number of skipped frames, also of those whose reason is no longer kept.
    """

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def add(self, reason: str) -> None:
        """Count a frame; log and keep the reason while there is room."""
        self.total += 1
        if len(self) < MAX_REASONS:
            log.warning('skipped: %s', reason)
            self.append(reason)
