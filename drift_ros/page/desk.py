"""What a page needs of what lies behind it, whether a tracker runs or a recording is open."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from drift_ros.errors import DriftError
from drift_ros.page.draft import Draft


class GoneError(DriftError):
    """The picture that was marked cannot be prompted any more: it is too old."""


class Desk(Protocol):
    """Takes prompts. Every method may wait, is called from any thread, and raises DriftError if
    what is asked for cannot be done.
    """

    def preview(self, draft: Draft) -> NDArray[np.bool_]:
        """(H, W) mask that the draft would give; nothing changes."""
        ...

    def accept(self, draft: Draft) -> int:
        """Let the draft count. Returns the id of its target."""
        ...

    def rename(self, target_id: int, name: str) -> None:
        """Give a target another name."""
        ...

    def remove(self, target_id: int) -> None:
        """Forget a target."""
        ...
