"""What the network for points promises, with the weights that come with the package."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor

from drift_ros import resources
from drift_ros.errors import CheckpointError
from drift_ros.points import judging
from drift_ros.points.judging import KNOWN, PLACES, Judge, Memory, cosines_around
from drift_ros.points.network import WITHIN, PointNetwork, around

CPU = torch.device('cpu')
DEVICES = [
    'cpu',
    pytest.param('cuda', marks=pytest.mark.skipif(not torch.cuda.is_available(), reason='no GPU')),
]


def texture(shift: tuple[float, float], seed: int = 1) -> NDArray[np.uint8]:
    """A texture of 160x128 px, moved by (x, y) in px."""
    coarse = np.random.default_rng(seed).uniform(40, 220, (32, 40, 3)).astype(np.float32)
    image = cv2.resize(coarse, (160, 128), interpolation=cv2.INTER_CUBIC)
    matrix = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float32)
    moved = cv2.warpAffine(image, matrix, (160, 128), flags=cv2.INTER_CUBIC, borderMode=4)
    return np.asarray(moved.clip(0, 255), np.uint8)


def points() -> Tensor:
    """(N, 2) places well inside a texture."""
    x, y = torch.meshgrid(torch.arange(40.0, 121, 10), torch.arange(40.0, 91, 10), indexing='xy')
    return torch.stack([x, y], 2).flatten(0, 1) + 0.3


def asked(
    judge: Judge, image: NDArray[np.uint8], count: int | None = None, agreed: bool = True
) -> tuple[Tensor, Memory]:
    """Where the first `points` of the unmoved texture are said to be in an image, if all else has
    them where they were, and descriptors agree or do not.
    """
    places = points()[:count]
    memory = judge.begin(judge.look(texture((0, 0)), CPU), places, torch.arange(len(places)) + 1)
    known = torch.tensor([0, 0.4, 0.9, 1, 0, 0.1] if agreed else [0, 0.4, 0, 0, 0, 1.0])
    assert len(known) == KNOWN
    return judge.judge(
        memory,
        judge.look(image, CPU),
        places,
        places[:, None].expand(-1, PLACES - 1, -1),
        lambda p: torch.full((*p.shape[:2], 25), 0.9 if agreed else 0.1),
        lambda p: torch.full(p.shape[:2], 2.0 if agreed else 30.0),
        known.expand(len(places), -1),
    )


@pytest.mark.parametrize('shift', [(0.0, 0.0), (3.4, -2.2), (-5.1, 4.3)])
def test_maps_have_most_in_common_where_a_texture_moved(shift: tuple[float, float]) -> None:
    judge = Judge.load('')
    with torch.no_grad():
        before, now = judge.look(texture((0, 0)), CPU), judge.look(texture(shift), CPU)
        looks = judge.begin(before, points(), torch.arange(len(points()))).looks
        _, shifts = judge.network.correlate(now.maps, looks, points())
    fine = shifts[:, 0].mean(0)  # of the first look, on the fine map of 4 px per cell
    assert (fine - torch.tensor(shift)).norm() < 1.5


def test_what_stays_is_seen_and_what_is_gone_is_not() -> None:
    with torch.no_grad():
        found, here = asked(Judge.load(''), texture((0, 0)))
        _, gone = asked(Judge.load(''), texture((0, 0), seed=2), agreed=False)
    assert (found - points()).norm(dim=1).median() < 0.5
    assert (here.confidence > 0.5).float().mean() > 0.9
    assert (here.unseen == 0).float().mean() > 0.9
    assert (gone.confidence > 0.5).float().mean() < 0.1
    assert (gone.unseen == 1).all()


def test_verdicts_do_not_depend_on_other_points() -> None:
    judge = Judge.load('')
    with torch.no_grad():
        found, memory = asked(judge, texture((3.4, -2.2)))
        few, alone = asked(judge, texture((3.4, -2.2)), 3)
    torch.testing.assert_close(few, found[:3], atol=1e-4, rtol=0)
    torch.testing.assert_close(alone.judged, memory.judged[:3], atol=1e-5, rtol=0)


@pytest.mark.parametrize('device', DEVICES)
def test_windows_are_read_where_they_lie(device: str) -> None:
    y, x = torch.meshgrid(torch.arange(20.0), torch.arange(30.0), indexing='ij')
    ramp = torch.stack([x, y], 2).to(device)
    window, part = around(ramp, torch.tensor([[[41.7, 50.1]]], device=device), 4, 2)
    low = torch.tensor([10.0, 12.0], device=device)  # cells of which (41.7 + 0.5) / 4 - 0.5 = 10.05
    torch.testing.assert_close(
        window[0, 0, 14] + part[0, 0], low + torch.tensor([0.05, 0.15]).to(low)
    )
    assert window.shape == (1, 1, 36, 2)
    corner, _ = around(ramp, torch.tensor([[[-9.0, 500.0]]], device=device), 4, 1)
    assert (corner[..., 0] == 0).all()  # beyond the map what its edge has
    assert (corner[..., 1] == 19).all()


def test_cosines_are_read_around_cells() -> None:
    ramp = torch.arange(12.0)[None, None].expand(1, 9, 12)
    found = cosines_around(ramp, torch.tensor([[[5.25, 4.0]]]))
    torch.testing.assert_close(found[0, 0, :5], torch.arange(5.0) + 3.25)


def test_images_of_any_size_are_looked_at() -> None:
    judge = Judge.load('')
    for height, width in ((5, 3), (64, 97), (720, 1280)):
        with torch.no_grad():
            seen = judge.look(np.zeros((height, width, 3), np.uint8), CPU)
        shown = np.ceil(np.array([min(height, judging.SIDE) / 8]))
        assert seen.maps[1].shape[0] == shown
        assert all(each.isfinite().all() for each in seen.maps)


def test_weights_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    missing, damaged, other = (tmp_path / name for name in ('missing', 'damaged', 'other'))
    damaged.write_bytes(b'nothing')
    save_file({'other': torch.zeros(1)}, other)
    for path in (missing, damaged, other):
        with pytest.raises(CheckpointError, match=rf'{path.name} .*train-points'):
            Judge.load(str(path))


def test_the_weights_are_small() -> None:
    path = resources.path('resource', judging.WEIGHTS)
    assert path.stat().st_size < 1e6
    assert len(WITHIN) == 5
    assert sum(p.numel() for p in PointNetwork(PLACES, judging.FACTS).parameters()) < 150_000
