from __future__ import annotations

from collections.abc import Callable

import pytest
from clips import make_tracker

from drift_ros.tracking import Tracker


@pytest.fixture
def make() -> Callable[..., Tracker]:
    return make_tracker
