"""Paths of cells through a window: steps against brute force, chains against known motion."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from drift_ros.features.embedded import paths
from drift_ros.features.embedded.paths import AHEAD, CHANNELS, REACH, WAVES, describe_paths

HEIGHT, WIDTH = 34, 38


def drifting(frames: int, right: int, down: int, seed: int = 0) -> Tensor:
    """A pattern of descriptors (frames, 24, HEIGHT, WIDTH) that moves as a whole."""
    generator = torch.Generator().manual_seed(seed)
    size = HEIGHT + frames * abs(down) + 20, WIDTH + frames * abs(right) + 20
    ground = torch.randn(24, *size, generator=generator)
    top, left = (10 + frames * max(0, v) for v in (down, right))
    cuts = [(top - t * down, left - t * right) for t in range(frames)]
    return torch.stack([ground[:, y : y + HEIGHT, x : x + WIDTH] for y, x in cuts])


def code(right: float, down: float) -> Tensor:
    """What (CHANNELS,) is expected for a steady velocity."""
    angles = torch.tensor([v * wave for wave in WAVES for v in (right, down)])
    return torch.cat([angles.cos(), angles.sin()] * 2) / CHANNELS**0.5 * 2**0.5


@pytest.mark.parametrize(('right', 'down'), [(0, 0), (2, 0), (-1, 3), (4, -2)])
def test_steady_motion_is_told_alike_in_all_frames(right: int, down: int) -> None:
    found = describe_paths(drifting(6, right, down))
    assert found.shape == (6, CHANNELS, HEIGHT, WIDTH)
    inner = found[:, :, HEIGHT // 2, WIDTH // 2]  # its path stays inside for one side at least
    expected = code(right, down)
    for frame in inner[[0, -1]]:
        cosine = functional.cosine_similarity(frame, expected, 0)
        assert cosine > 0.97
    if right == down == 0:
        torch.testing.assert_close(inner, expected.expand(6, -1), atol=0.05, rtol=0)


def test_codes_differ_by_motion_and_not_by_what_is_seen() -> None:
    def centre(right: int, seed: int) -> Tensor:
        return describe_paths(drifting(3, right, 0, seed))[1, :, HEIGHT // 2, WIDTH // 2]

    alike = functional.cosine_similarity(centre(2, 0), centre(2, 1), 0)
    unlike = functional.cosine_similarity(centre(2, 0), centre(-2, 0), 0)
    assert alike > 0.95
    assert unlike < 0.5


def likeness(first: Tensor, second: Tensor, y: int, x: int, down: int, right: int) -> Tensor:
    """Mean over the neighbours of a cell of their likeness to those a step away."""
    padded = functional.pad(second, (REACH + 1,) * 4)[:, REACH + 1 :, REACH + 1 :]
    around = [
        (first[:, v, w] * padded[:, v + down, w + right]).sum()
        if v + down >= 0 and w + right >= 0
        else torch.tensor(0.0)
        for v in range(max(0, y - 1), min(HEIGHT, y + 2))
        for w in range(max(0, x - 1), min(WIDTH, x + 2))
    ]
    return torch.stack(around).mean()


@pytest.mark.parametrize('place', [(0, 0), (7, 9), (33, 37), (3, 36)])
@pytest.mark.parametrize('forth', [True, False])
def test_steps_are_those_of_brute_force(place: tuple[int, int], forth: bool) -> None:
    torch.manual_seed(2)
    first, second = functional.normalize(torch.randn(2, 5, HEIGHT, WIDTH), dim=1)
    found = paths._steps(first, second)[0 if forth else 1]
    (y, x), scores, steps = place, [], []
    for down in range(-REACH, REACH + 1):
        for right in range(-REACH, REACH + 1):
            if not (0 <= y + down < HEIGHT and 0 <= x + right < WIDTH):
                continue
            if forth:
                score = likeness(first, second, y, x, down, right)
            else:  # the same pairs of cells, seen from the other end
                score = likeness(first, second, y + down, x + right, -down, -right)
            away = paths.NEARNESS * (down**2 + right**2)
            scores.append(score / paths.TEMPERATURE - away)
            steps.append((right, down))
    expected = torch.stack(scores).softmax(0) @ torch.tensor(steps, dtype=torch.float32)
    torch.testing.assert_close(found[:, y, x], expected, rtol=1e-4, atol=1e-4)


def test_paths_that_do_not_lead_back_are_not_trusted() -> None:
    torch.manual_seed(0)
    unrelated = describe_paths(torch.randn(4, 24, 40, 40)).norm(dim=1)
    steady = describe_paths(drifting(4, 1, 0)).norm(dim=1)
    assert unrelated.mean() < steady.mean()
    assert steady[:, 4:-4, 6:-6].min() > 0.95


def test_the_first_and_the_last_frame_know_one_side_and_one_frame_none() -> None:
    found = describe_paths(drifting(3, 1, 1))
    half = CHANNELS // 2
    torch.testing.assert_close(found[0, :half], found[0, half:])
    torch.testing.assert_close(found[-1, :half], found[-1, half:])
    alone = describe_paths(drifting(1, 0, 0))
    assert alone.shape == (1, CHANNELS, HEIGHT, WIDTH)
    assert not alone.any()


def test_frames_beyond_a_path_do_not_count() -> None:
    clip = drifting(2 * AHEAD + 2, 1, 0)
    other = clip.clone()
    other[-1] = torch.randn(clip.shape[1:], generator=torch.Generator().manual_seed(5))
    a, b = describe_paths(clip), describe_paths(other)
    assert torch.equal(a[: AHEAD + 1], b[: AHEAD + 1])
    assert not torch.equal(a[AHEAD + 1], b[AHEAD + 1])


def test_half_precision_and_unlit_frames_give_finite_codes() -> None:
    clip = drifting(3, 1, 0)
    clip[1] = 0
    assert describe_paths(clip.half()).isfinite().all()
