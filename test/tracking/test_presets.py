"""Presets of papers propagate labels and do nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from clips import SIZE, Colours, GivenMasks, clip_frame, square
from numpy.typing import NDArray

from drift_ros import resources
from drift_ros.descriptors import Descriptors
from drift_ros.prompts.prompt import Prompt
from drift_ros.propagation import Propagator, create_affinity, one_hot, read_labels
from drift_ros.settings import TrackerSettings, build
from drift_ros.settings.file import read_yaml
from drift_ros.structures import TrackingResult
from drift_ros.tracking import Tracker

PAPERS = ('ted_', 'dift_', 'drift_', 'crw_', 'dino_')
PRESETS = [name for name in resources.names('config', '.yaml') if name.startswith(PAPERS)]
FRAMES = 12
PERIOD = 500_000_000  # ns, so long that a target is soon given up and lost


def picture(index: int) -> NDArray[np.uint8]:
    """Two red squares that pass close to each other, and one that is gone after half of the clip
    and comes back elsewhere, on noise.
    """
    image = np.random.default_rng(index).integers(90, 130, (*SIZE, 3)).astype(np.uint8)
    image[square(8 + 5 * index, 14)] = image[square(70 - 5 * index, 30)] = (230, 20, 20)
    if not 5 <= index < 9:
        image[square(4 if index < 5 else 76, 46)] = (20, 20, 230)
    return image


def given() -> NDArray[np.uint8]:
    labels = np.zeros(SIZE, np.uint8)
    for id_, mask in enumerate((square(8, 14), square(70, 30), square(4, 46)), 1):
        labels[mask] = id_
    return labels


def tracked(values: dict[str, object]) -> list[NDArray[np.uint8]]:
    prompts = [Prompt(id=id_, mask=given() == id_) for id_ in (1, 2, 3)]
    settings = build(TrackerSettings, {'features.resolution': 0, 'window.length': 1, **values})
    tracker = Tracker(Colours(1), GivenMasks(), settings, prompts)
    frames = [clip_frame(i, image=picture(i), stamp=10**18 + i * PERIOD) for i in range(FRAMES)]
    results = [result for frame in frames for result in tracker.step(frame)]
    assert all(isinstance(result, TrackingResult) for result in results)
    return [result.labels for result in results]


def propagated(values: dict[str, object]) -> list[NDArray[np.uint8]]:
    """The same by the propagation alone."""
    settings = build(TrackerSettings, values).propagation
    loop = Propagator(create_affinity(settings), settings.memory)
    found = [given()]
    for index in range(FRAMES):
        image = torch.from_numpy(picture(index)).permute(2, 0, 1)[None].float()
        features = torch.nn.functional.avg_pool2d(image, 4) - 128
        described = loop.prepare(Descriptors.of(features, 4))
        if index:
            found.append(
                loop.step(index, described, lambda soft, stride: read_labels(soft, stride, SIZE))
            )
        else:
            loop.add_reference(0, described, one_hot(given(), 4, described.grid))
    return found


def groups(preset: str, *names: str) -> dict[str, object]:
    """Values of a preset in these groups."""
    values = read_yaml(resources.path('config', preset))
    return {name: value for name, value in values.items() if name.startswith(names)}


@pytest.mark.parametrize('preset', PRESETS)
def test_label_maps_are_those_of_the_propagation_alone(preset: str) -> None:
    chosen = groups(preset, 'targets.', 'propagation.', 'features.colour')
    for found, expected in zip(tracked(chosen), propagated(chosen), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_on_this_clip_the_default_differs() -> None:
    chosen = groups('ted_davis.yaml', 'propagation.', 'features.colour')
    pairs = zip(tracked(chosen), propagated(chosen), strict=True)
    assert any((found != expected).any() for found, expected in pairs)
