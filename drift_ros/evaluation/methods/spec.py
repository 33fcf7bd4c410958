"""What is to track, described without making it: models are loaded where they run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from drift_ros.evaluation.protocols import Method


class MethodSpec(Protocol):
    """Makes a method. It can be pickled, for other processes to make their own."""

    @property
    def name(self) -> str:
        """As tables show it."""
        ...

    @property
    def settings(self) -> Mapping[str, Any]:
        """What it is set to, fit for JSON."""
        ...

    def make(self, device: str | None = None) -> Method:
        """Load what it needs.

        Args:
            device: `cpu`, `cuda` or `cuda:N`; None: as its settings say.

        Raises:
            DriftError: something is missing or unusable.
        """
        ...
