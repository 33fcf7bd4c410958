"""Places of points in closed form: what is planted in descriptors is found."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from drift_ros.descriptors import Descriptors
from drift_ros.errors import SettingsError
from drift_ros.points.grid import Grid
from drift_ros.points.matching import Matcher, choose_heads, soft_argmax
from drift_ros.settings import PointSettings

SHAPE = (9, 13)


def cells(shape: tuple[int, int] = SHAPE) -> Tensor:
    """(2, h, w) x and y of every cell."""
    y, x = torch.meshgrid(*(torch.arange(float(side)) for side in shape), indexing='ij')
    return torch.stack([x, y])


def planted(shift: tuple[float, float], sharpness: float = 1.0) -> Descriptors:
    """One head whose query at p and key at c have the logit -sharpness / 2 |p + shift - c|^2, up to
    what depends on p alone: the softmax over keys is a Gaussian around p + shift.
    """
    place = cells()
    there = place + torch.tensor(shift)[:, None, None]
    query = torch.cat([there, torch.ones(1, *SHAPE)])
    key = torch.cat([place, -place.square().sum(0, keepdim=True) / 2]) * sharpness
    return Descriptors((query[None],), (key[None],), 8)


@pytest.mark.parametrize('shift', [(0.0, 0.0), (2.0, -1.0), (0.37, 1.21), (-1.5, 0.5)])
def test_planted_correspondences_are_found_to_a_hundredth_of_a_cell(
    shift: tuple[float, float],
) -> None:
    matcher = Matcher(PointSettings(radius=4))
    frame = matcher.prepare(planted(shift))
    places = torch.tensor([[5.0, 4.0], [6.25, 4.5], [5.9, 3.3]])
    found = matcher.find(frame.sample(places), frame)
    torch.testing.assert_close(found, places + torch.tensor(shift), atol=0.01, rtol=0)


def test_both_directions_agree_where_the_correspondence_is_one_to_one() -> None:
    one = PointSettings(radius=4)
    both = one.model_copy(update={'directions': 'both'})
    places = torch.tensor([[5.0, 4.0], [6.25, 4.5]])
    shift = (0.37, 0.21)
    for settings in (one, both):
        matcher = Matcher(settings)
        source, frame = matcher.prepare(planted((0, 0))), matcher.prepare(planted(shift))
        # a query of the source at p meets keys of the frame at p; one of the frame at c those at
        # c + shift: the two halves of the mean are Gaussians around p and p - shift
        found = matcher.find(source.sample(places), frame, source=source)
        half = torch.tensor(shift) / 2 if settings is both else 0
        torch.testing.assert_close(found, places - half, atol=0.02, rtol=0)


def test_both_directions_equal_the_mean_of_two_softmaxes() -> None:
    generator = torch.Generator().manual_seed(0)
    maps = [torch.randn(2, 3, 8, 4, 5, generator=generator) for _ in range(2)]
    # (frame, head, C, h, w)
    frames = [
        Descriptors(
            tuple(maps[0][i, n][None] for n in range(3)),
            tuple(maps[1][i, n][None] for n in range(3)),
            16,
        )
        for i in range(2)
    ]
    for divisor, scale in (('channels', 1.0), ('heads', math.sqrt(8 / 3))):
        settings = PointSettings(directions='both', divisor=divisor)  # type: ignore[arg-type]
        matcher = Matcher(settings)
        source, frame = (matcher.prepare(each) for each in frames)
        corners = cells((4, 5)).flatten(1).T
        found = matcher.weights(source.sample(corners), frame, source=source).flatten(1)
        expected = torch.zeros(20, 20)
        for head in range(3):
            q0, qk = (maps[0][i, head].flatten(1).T for i in range(2))
            k0, kk = (maps[1][i, head].flatten(1).T for i in range(2))
            forth = (scale * q0 @ kk.T).softmax(1)
            back = (scale * qk @ k0.T).softmax(1)
            expected += (forth + back.T) / 6
        torch.testing.assert_close(found, expected)


def test_field_reads_best_cells_between_the_corners_of_the_query() -> None:
    settings = PointSettings(readout='field', directions='forward')
    matcher = Matcher(settings)
    source, frame = matcher.prepare(planted((2.4, -1.2))), matcher.prepare(planted((0, 0)))
    places = torch.tensor([[5.25, 4.5], [3.0, 4.0]])
    # every cell's best one lies (2, -1) further; interpolation keeps the part of a cell
    torch.testing.assert_close(
        matcher.field(places, frame, source), places + torch.tensor([2.0, -1.0])
    )


def test_features_are_compared_by_their_cosine_and_in_a_square_around_the_last_place() -> None:
    features = torch.zeros(1, 4, *SHAPE)
    features[0, 3] = 1
    features[0, :3, 2, 3] = torch.tensor([5.0, 0, 0])
    features[0, :3, 7, 11] = torch.tensor([3.0, 0, 0])  # the same direction nearly, shorter
    matcher = Matcher(PointSettings(readout='hard', search=3))
    frame = matcher.prepare(Descriptors.of(features, 8))
    vectors = frame.sample(torch.tensor([[3.0, 2.0], [3.0, 2.0]]))
    around = torch.tensor([[10.0, 6.0], [math.nan, math.nan]])
    assert matcher.find(vectors, frame, around=around).tolist() == [[11, 7], [3, 2]]


def test_soft_argmax_ignores_what_lies_beyond_the_border() -> None:
    weights = torch.zeros(1, *SHAPE)
    weights[0, 0, 0] = 3
    weights[0, 0, 1] = 1
    found = soft_argmax(weights, torch.tensor([[0, 0]]), 2)
    torch.testing.assert_close(found, torch.tensor([[0.25, 0.0]]))


def test_pixels_and_cells() -> None:
    grid = Grid((480, 640), (60, 80), 8)
    pixels = torch.tensor([[3.5, 3.5], [0.0, 0.0], [639.0, 100.0]])
    torch.testing.assert_close(grid.to_cells(pixels)[0], torch.zeros(2))
    torch.testing.assert_close(grid.to_pixels(grid.to_cells(pixels)), pixels)


def test_cells_as_the_release_reads_them() -> None:
    # 256 px raster -> 720x480 network -> 45x30 cells of 16 px, by the formula of the release
    grid = Grid((256, 256), (30, 45), 16, half_cell=False)
    raster = torch.tensor([[100.0, 50.0]])
    x, y = 100 * 720 / 256, 50 * 480 / 256
    margin = 720 / 1024
    expected = [
        ((2 * (x / 16) / (45 - margin) - 1) + 1) / 2 * 44,
        ((2 * (y / 16) / (30 - margin) - 1) + 1) / 2 * 29,
    ]
    torch.testing.assert_close(grid.to_cells(raster - 0.5), torch.tensor([expected]))
    cell = torch.tensor([[7.0, 11.0]])
    torch.testing.assert_close(
        grid.to_pixels(cell) + 0.5, torch.tensor([[7 * 16 * 256 / 720, 11 * 16 * 256 / 480]])
    )


def test_heads_are_chosen_by_layer_and_number() -> None:
    heads = [('17', 0), ('17', 1), ('18', 0)]
    assert choose_heads('18/0,17/1', heads) == [2, 1]
    assert choose_heads('', heads) is None
    with pytest.raises(SettingsError):
        choose_heads('19/0', heads)
    with pytest.raises(SettingsError):
        choose_heads('17/0', [])
