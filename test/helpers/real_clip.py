"""A few frames of a real clip through a whole tracker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from clips import GivenMasks

from drift_ros.features import create
from drift_ros.prompts.prompt import Prompt
from drift_ros.settings import TrackerSettings, build
from drift_ros.tracking import Frame, Tracker


def track_tennis(davis: Path, count: int, **settings: Any) -> None:
    """Track its player; every frame is labelled, the prompted one as it was given."""
    place = next((davis / 'val' / 'JPEGImages').iterdir()) / 'tennis'
    files = sorted(place.glob('*.jpg'))[:count]
    truth = cv2.imread(
        str(files[0]).replace('JPEGImages', 'Annotations').replace('.jpg', '.png'), -1
    )
    assert truth is not None
    mask = (truth if truth.ndim == 2 else truth.max(2)) > 0
    values: dict[str, Any] = {'features.device': 'cpu', 'features.resolution': 96}
    values |= {name.replace('__', '.'): value for name, value in settings.items()}
    options = build(TrackerSettings, values)
    prompt = Prompt(id=1, name='player', mask=mask)
    tracker = Tracker(create(options.features), GivenMasks(), options, [prompt])
    results = []
    for index, file in enumerate(files):
        image = cv2.imread(str(file))
        assert image is not None
        frame = Frame(image=image[..., ::-1].copy(), stamp=index * 40_000_000, index=index)
        results += tracker.step(frame)
    assert [r.frame.index for r in results] == list(range(count))
    for result in results:
        assert result.labels.shape == truth.shape[:2]
        assert np.isin(result.labels, (0, 1)).all()
    np.testing.assert_array_equal(results[0].labels == 1, mask)
