"""The weights of the package, on things that no rendered video of the training shows."""

from __future__ import annotations

import gc
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from drift_ros.errors import CheckpointError
from drift_ros.recognition import Recognizer, View

SIZE = (240, 320)
CPU = torch.device('cpu')
gpu = pytest.param('cuda', marks=[pytest.mark.gpu, pytest.mark.skipif(
    not torch.cuda.is_available(), reason='needs a CUDA device')])  # fmt: skip


RED, BLUE, GREY = (1.0, 0.4, 0.2), (0.3, 0.4, 1.0), (0.6, 0.6, 0.6)
Colour = tuple[float, float, float]


def pattern(seed: int, grain: int, colour: Colour) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(60, 250, (SIZE[0] // grain, SIZE[1] // grain)).astype(np.float32)
    fine = cv2.resize(coarse, SIZE[::-1], interpolation=cv2.INTER_CUBIC)
    return fine[..., None] * np.float32(colour)


def scene(
    seed: int, middle: tuple[int, int], radius: int, turn: float = 0.0, colour: Colour = RED
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """A patterned disc before another pattern, and its mask."""
    matrix = cv2.getRotationMatrix2D((160, 120), turn, radius / 30).astype(np.float32)
    matrix[:, 2] += np.array(middle) - (160, 120)
    inner = cv2.warpAffine(pattern(seed, 8, colour), matrix, SIZE[::-1])
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    mask = np.hypot(columns - middle[0], rows - middle[1]) <= radius
    image = np.where(mask[..., None], inner, pattern(100, 20, GREY))
    noise = np.random.default_rng(seed + 1).normal(0, 2, image.shape)
    return (image + noise).clip(0, 255).astype(np.uint8), mask


@pytest.fixture(scope='module')
def recognizer() -> Recognizer:
    return Recognizer.load(CPU)


@pytest.mark.parametrize('radius', [20, 25, 30, 36])
@pytest.mark.parametrize('seed', [1, 2, 3])
def test_what_is_seen_again_is_recognized_with_its_scale_and_outline(
    recognizer: Recognizer, seed: int, radius: int
) -> None:
    view = View.of(*scene(seed, (90, 100), 30))
    image, mask = scene(seed, (220, 130), radius, turn=25)
    seen = recognizer.look(view, image, (224.0, 127.0))
    assert seen.probability > 0.5
    assert seen.scale == pytest.approx(np.log(radius / 30), abs=0.08)
    found = seen.mask(SIZE)
    assert (found & mask).sum() / (found | mask).sum() > 0.8


@pytest.mark.parametrize('seed', [1, 2, 3])
def test_something_else_and_the_background_are_not_recognized(
    recognizer: Recognizer, seed: int
) -> None:
    view = View.of(*scene(seed, (90, 100), 30))
    other, _ = scene(seed + 10, (220, 130), 30, colour=BLUE)
    assert recognizer.look(view, other, (220.0, 130.0)).probability < 0.5
    assert recognizer.look(view, other, (60.0, 60.0)).probability < 0.5


@pytest.mark.parametrize('device', ['cpu', gpu])
def test_a_view_is_known_once_and_forgotten_with_its_owner(device: str) -> None:
    recognizer, on_cpu = Recognizer.load(torch.device(device)), Recognizer.load(CPU)
    view = View.of(*scene(1, (90, 100), 30))
    image, _ = scene(1, (220, 130), 30)
    first, again = (recognizer.look(view, image, (220.0, 130.0)) for _ in range(2))
    assert (first.scale, first.probability) == (again.scale, again.probability)
    assert len(recognizer._known) == 1
    expected = on_cpu.look(view, image, (220.0, 130.0))
    assert first.scale == pytest.approx(expected.scale, abs=2e-3)
    wanted = expected.mask(SIZE)
    assert (first.mask(SIZE) != wanted).sum() <= 0.005 * wanted.sum()
    del view
    gc.collect()
    assert not len(recognizer._known)


def test_weights_that_are_missing_or_of_another_network_are_told(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match='train-recognition'):
        Recognizer.load(CPU, str(tmp_path / 'none.safetensors'))
    other = tmp_path / 'other.safetensors'
    save_file({'x': torch.zeros(1)}, other)
    with pytest.raises(CheckpointError, match='of another network'):
        Recognizer.load(CPU, str(other))
