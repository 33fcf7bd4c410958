from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from drift_ros.errors import DriftError
from drift_ros.propagation import compiled, propagate, tiled
from drift_ros.propagation.products import BandedProducts
from drift_ros.propagation.tiled import SPARE
from drift_ros.propagation.window import Sharing, Window

without_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason='no CUDA device')
DEVICES = ['cpu', pytest.param('cuda', marks=[pytest.mark.gpu, without_gpu])]
# With the compiled search; with torch as on a CPU and as on a GPU, both of which run on both.
WAYS = ['compiled', 'by rows', 'batched']


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    use(request.param, monkeypatch)
    return str(request.param)


def use(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if way == 'compiled':
        if not compiled.suits(torch.empty(1, 1, 1, 1), 1):
            pytest.skip('the compiled search is not built: run `make build`')
        return
    batched = way == 'batched'
    monkeypatch.setattr(compiled, 'suits', lambda context, top_k: False)
    monkeypatch.setattr(tiled, '_batched', lambda device: batched)


def cut_small(monkeypatch: pytest.MonkeyPatch, columns: int = 3, scratch: int = 2000) -> None:
    """Many tiles even on a small grid."""
    for name, value in {'COLUMNS': columns, 'SCRATCH': scratch}.items():
        monkeypatch.setattr(tiled, name, value)
        monkeypatch.setattr(tiled, f'{name}_BATCHED', value)


def dense(
    query: Tensor,
    context: Tensor,
    labels: Tensor,
    temperature: float = 0.1,
    top_k: int = 10,
    radius: int = 12,
    window: str = 'square',
    mask_first: bool = True,
    first: int = 1,
    similarity: str = 'cosine',
    known: Tensor | None = None,
) -> Tensor:
    """The protocol with the whole affinity matrix, in float64; ties up to 1e-9 are kept.

    (C, h, w), (T, C, h, w), (T, K, h, w) -> (K, h, w).
    """
    frames, classes, height, width = labels.shape
    q, c = (x.double() for x in (query, context))
    if similarity == 'cosine':
        q = q / q.norm(dim=0, keepdim=True).clamp_min(1e-12)
        c = c / c.norm(dim=1, keepdim=True).clamp_min(1e-12)
    s = torch.einsum('cyx,tcvu->yxtvu', q, c)
    ys, xs = torch.arange(height), torch.arange(width)
    dy = (ys[:, None] - ys)[:, None, None, :, None]
    dx = (xs[:, None] - xs)[None, :, None, None, :]
    if window == 'disc':
        outside = (dy**2 + dx**2).double().sqrt() >= radius
    else:
        outside = (dy.abs() > radius) | (dx.abs() > radius)
    if radius > 0:
        outside = outside.expand(s.shape).clone()
        if not mask_first:
            outside[:, :, :first] = False
        s = s.masked_fill(outside, -math.inf)
    s = s.reshape(height * width, -1)
    weakest = s.topk(min(top_k, s.shape[1]), dim=1).values[:, -1:]
    s = s.masked_fill(s < weakest - 1e-9, -math.inf)
    weights = torch.softmax(s / temperature, dim=1)
    values = labels.double().permute(0, 2, 3, 1).reshape(-1, classes)
    out = weights @ values
    if known is not None:
        knows = known[:, None].expand(frames, height * width, classes).reshape(-1, classes).double()
        mass = weights @ knows
        out = torch.where(mass > 0, weights @ (values * knows) / mass, out)
    return out.T.reshape(classes, height, width).float()


def dense_by_loops(
    query: Tensor, context: Tensor, labels: Tensor, temperature: float, top_k: int, radius: int
) -> Tensor:
    """The protocol as loops over cells, plain enough to be checked by eye."""
    frames, classes, height, width = labels.shape
    out = torch.zeros(classes, height, width)
    for row in range(height):
        for column in range(width):
            found = []
            for t in range(frames):
                for y in range(max(0, row - radius), min(height, row + radius + 1)):
                    for x in range(max(0, column - radius), min(width, column + radius + 1)):
                        a, b = query[:, row, column], context[t, :, y, x]
                        cosine = float(a @ b / (a.norm() * b.norm()))
                        found.append((math.exp(cosine / temperature), labels[t, :, y, x]))
            found.sort(key=lambda pair: -pair[0])
            kept = found[:top_k]
            out[:, row, column] = torch.stack([a * v for a, v in kept]).sum(0)
            out[:, row, column] /= sum(a for a, _ in kept)
    return out


def scene(
    frames: int, channels: int, classes: int, grid: tuple[int, int], seed: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(seed)
    query = torch.randn(channels, *grid)
    context = torch.randn(frames, channels, *grid)
    labels = torch.softmax(torch.randn(frames, classes, *grid), dim=1)
    return query, context, labels


def test_the_dense_way_equals_the_loops() -> None:
    query, context, labels = scene(2, 4, 3, (5, 6))
    found = dense(query, context, labels, 0.3, 7, 2)
    torch.testing.assert_close(found, dense_by_loops(query, context, labels, 0.3, 7, 2))


@settings(max_examples=200, deadline=None)
@given(
    frames=st.integers(1, 5),
    channels=st.integers(2, 6),
    classes=st.integers(1, 5),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    options=st.fixed_dictionaries(
        {
            'radius': st.integers(0, 12),
            'top_k': st.one_of(st.integers(1, 20), st.integers(1, 500)),
            'temperature': st.sampled_from([0.05, 0.1, 1.0]),
            'window': st.sampled_from(['square', 'disc']),
            'mask_first': st.booleans(),
            'first': st.integers(0, 6),
            'similarity': st.sampled_from(['cosine', 'dot']),
        }
    ),
    knows=st.one_of(st.none(), st.integers(0, 99)),
    whole_numbers=st.booleans(),
    cut=st.booleans(),
    way=st.sampled_from(WAYS),
    seed=st.integers(0, 1000),
)
def test_equals_the_dense_way(
    frames: int,
    channels: int,
    classes: int,
    height: int,
    width: int,
    options: dict[str, Any],
    knows: int | None,
    whole_numbers: bool,
    cut: bool,
    way: str,
    seed: int,
) -> None:
    query, context, labels = scene(frames, channels, classes, (height, width), seed)
    if whole_numbers:  # scalar products without rounding, full of ties
        query, context = query.round(), context.round()
        options['similarity'] = 'dot'
    if options['similarity'] == 'dot':  # large gaps would underflow in float32
        options['temperature'] = 1.0
    if knows is not None:
        generator = torch.Generator().manual_seed(knows)
        options['known'] = torch.rand(frames, classes, generator=generator) < 0.5
    with pytest.MonkeyPatch.context() as patch:
        use(way, patch)
        if cut:
            cut_small(patch)
        found = propagate(query, context, labels, **options)
    expected = dense(query, context, labels, **options)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('window', ['square', 'disc'])
def test_tiles_join_without_seams(way: str, window: str, device: str) -> None:
    query, context, labels = scene(3, 5, 3, (23, 37))
    options: dict[str, Any] = {'top_k': 7, 'radius': 4, 'window': window, 'mask_first': False}
    found = propagate(query.to(device), context.to(device), labels.to(device), **options)
    expected = dense(query, context, labels, **options)
    torch.testing.assert_close(found.cpu(), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize('top_k', [1, 3, 1000])
def test_zero_features_tie_everywhere_and_average(way: str, top_k: int) -> None:
    query, context, labels = scene(4, 4, 3, (5, 5))
    found = propagate(query * 0, context * 0, labels, top_k=top_k, radius=0)
    torch.testing.assert_close(found, labels.mean((0, 2, 3))[:, None, None].expand(3, 5, 5))


def test_a_black_part_of_the_frame_averages_over_its_windows(way: str) -> None:
    query, context, labels = scene(3, 6, 3, (16, 20))
    query[:, 4:9, 3:15] = 0
    found = propagate(query, context, labels, top_k=5, radius=3)
    expected = dense(query, context, labels, top_k=5, radius=3)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize('frames', [3, SPARE + 8])
def test_a_frozen_video_keeps_all_ties(way: str, frames: int) -> None:
    """Every match comes once per frame, as often as the memory is long."""
    query, context, labels = scene(1, 6, 3, (7, 9))
    context, labels = (x.expand(frames, *x.shape[1:]) for x in (context, labels))
    found = propagate(query, context, labels, top_k=2 * frames - 1, radius=3)
    expected = propagate(query, context[:1], labels[:1], top_k=2, radius=3)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_without_window_and_top_k_it_is_attention(way: str) -> None:
    query, context, labels = scene(2, 8, 4, (6, 7))
    options: dict[str, Any] = {'temperature': 8**0.5, 'radius': 0, 'similarity': 'dot'}
    found = propagate(query, context, labels, top_k=84, **options)
    expected = torch.nn.functional.scaled_dot_product_attention(
        query.flatten(1).T[None],
        context.transpose(0, 1).flatten(1).T[None],
        labels.transpose(0, 1).flatten(1).T[None],
    )
    torch.testing.assert_close(found, expected[0].T.view(4, 6, 7))


@pytest.mark.parametrize('classes', [1, 254])
def test_one_label_and_many(way: str, classes: int) -> None:
    query, context, labels = scene(2, 4, classes, (6, 6))
    options: dict[str, Any] = {'temperature': 0.1, 'top_k': 5, 'radius': 2}
    found = propagate(query, context, labels, **options)
    torch.testing.assert_close(found, dense(query, context, labels, **options))
    torch.testing.assert_close(found.sum(0), torch.ones(6, 6))


def test_moved_image_moves_the_labels(way: str) -> None:
    torch.manual_seed(1)
    wide = torch.randn(16, 20, 26)
    labels = torch.zeros(1, 2, 20, 20)
    labels[0, 1, 5:12, 6:13] = 1
    labels[0, 0] = 1 - labels[0, 1]
    found = propagate(wide[:, :, 4:24], wide[None, :, :, :20], labels, top_k=1, radius=6)
    expected = labels[0].roll(-4, dims=2)
    torch.testing.assert_close(found[:, :, :16], expected[:, :, :16])


def test_the_first_frames_are_searched_as_a_whole() -> None:
    """An object that jumped farther than the window is found in the first frame only."""
    query, context, labels = scene(3, 32, 2, (4, 30))
    query[:, 2, 28] = context[0, :, 1, 1]
    labels[:, 0], labels[:, 1] = 1, 0
    labels[0, 0, 1, 1], labels[0, 1, 1, 1] = 0, 1
    options: dict[str, Any] = {'top_k': 1, 'radius': 3}
    assert propagate(query, context, labels, mask_first=False, **options)[1, 2, 28] == 1
    assert propagate(query, context, labels, **options)[1, 2, 28] == 0
    later = context.roll(1, 0), labels.roll(1, 0)
    assert propagate(query, *later, mask_first=False, **options)[1, 2, 28] == 0
    assert propagate(query, *later, mask_first=False, first=2, **options)[1, 2, 28] == 1


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize(('dtype', 'tolerance'), [(torch.bfloat16, 5e-2), (torch.float16, 5e-3)])
def test_half_precision_only_rounds_the_descriptors(
    way: str, dtype: torch.dtype, tolerance: float, device: str
) -> None:
    query, context, labels = scene(3, 64, 3, (13, 14))
    options: dict[str, Any] = {'temperature': 0.2, 'top_k': 100, 'radius': 5}
    options |= {'normalized': True}
    query, context = (
        torch.nn.functional.normalize(x, dim=-3).to(device, dtype) for x in (query, context)
    )
    labels = labels.to(device)
    found = propagate(query, context, labels, **options)
    rounded = propagate(query.float(), context.float(), labels, **options)
    torch.testing.assert_close(found, rounded, atol=1e-5, rtol=1e-5)
    exact = propagate(*scene(3, 64, 3, (13, 14)), **(options | {'normalized': False}))
    torch.testing.assert_close(found.cpu(), exact, atol=tolerance, rtol=tolerance)


def test_bfloat16_units_are_asked_for_and_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    use('by rows', monkeypatch)
    query, context, labels = (x.bfloat16().float() for x in scene(2, 16, 3, (6, 7)))
    products = torch.backends.mkldnn.matmul
    before, seen = products.fp32_precision, []
    multiply = torch.mm
    monkeypatch.setattr(
        torch, 'mm', lambda *a, **k: (seen.append(products.fp32_precision), multiply(*a, **k))[1]
    )
    monkeypatch.setattr(torch.cpu, '_is_avx512_bf16_supported', lambda: True)
    options: dict[str, Any] = {'similarity': 'dot', 'temperature': 4.0}
    found = propagate(query.bfloat16(), context.bfloat16(), labels, **options)
    assert set(seen) == {'bf16'}
    assert products.fp32_precision == before
    torch.testing.assert_close(found, propagate(query, context, labels, **options))
    assert seen[-1] == before


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16, torch.float16])
def test_k_matches_vote_in_every_precision(way: str, dtype: torch.dtype) -> None:
    query, context, _ = scene(3, 64, 1, (6, 8))
    sources = torch.eye(3 * 48).view(3, 48, 144).transpose(1, 2).reshape(3, 144, 6, 8)
    found = propagate(query.to(dtype), context.to(dtype), sources, top_k=10, radius=0)
    assert ((found > 0).sum(0) == 10).all()


def test_broken_descriptors_do_not_spread(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cut_small(monkeypatch)
    query, context, labels = scene(2, 6, 3, (12, 14))
    options: dict[str, Any] = {'top_k': 4, 'radius': 2, 'similarity': 'dot'}
    expected = propagate(query, context, labels, **options)
    query[:, 5, 6] = torch.nan
    context[1, :, 2, 2] = torch.nan
    found = propagate(query, context, labels, **options)
    touched = torch.zeros(12, 14, dtype=torch.bool)
    touched[5, 6], touched[:5, :5] = True, True
    torch.testing.assert_close(found[:, ~touched], expected[:, ~touched])
    cosine = propagate(query, context, labels, top_k=4, radius=2)
    assert cosine.isfinite().all()


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
@pytest.mark.parametrize('channels', [5, 300])
def test_the_compiled_search_gives_the_same_bits_with_any_number_of_threads(
    channels: int, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    use('compiled', monkeypatch)
    query, context, labels = scene(4, channels, 3, (21, 34))
    query, context = query.round().to(dtype), context.round().to(dtype)  # with ties
    options: dict[str, Any] = {'top_k': 6, 'radius': 5, 'similarity': 'dot', 'temperature': 9.0}
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            found.append(propagate(query, context, labels, **options))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])
    expected = dense(query.float(), context.float(), labels, **options)
    torch.testing.assert_close(found[0], expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize('level', ['avx512', 'avx2', 'baseline'])
def test_every_instruction_set_finds_the_same(level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    use('compiled', monkeypatch)
    known = compiled.LEVELS.get(torch.backends.cpu.get_cpu_capability(), ['baseline'])
    if level not in known:
        pytest.skip('this processor does not have it')
    query, context, labels = scene(3, 140, 4, (19, 27))
    options: dict[str, Any] = {'top_k': 9, 'radius': 6, 'window': 'disc', 'mask_first': False}
    monkeypatch.setattr(compiled, 'LEVELS', {key: [level] for key in compiled.LEVELS})
    compiled._library.cache_clear()
    try:
        found = propagate(query, context, labels, **options)
    finally:
        compiled._library.cache_clear()
    expected = dense(query, context, labels, **options)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(('grid', 'radius'), [((60, 104), 15), ((200, 300), 0)])
def test_scratch_memory_is_bounded(grid: tuple[int, int], radius: int) -> None:
    context = torch.empty(1, 1, 1).expand(29, *grid, 1)
    frames = Sharing(Window.of('square', radius, grid), 4).parts(context)
    for batched, room in ((False, tiled.SCRATCH), (True, tiled.SCRATCH_BATCHED)):
        products = [BandedProducts(part, batched) for part in frames]
        tiles = list(tiled._tiles(products, grid, batched))
        covered = torch.zeros(grid, dtype=torch.int)
        for tile in tiles:
            covered[tile.top : tile.bottom, tile.left : tile.right] += 1
            size = (tile.bottom - tile.top, tile.right - tile.left)
            assert sum(part.elements(*size) for part in products) <= room
        assert (covered == 1).all()


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'query': torch.zeros(4, 5, 6)}, 'query'),
        ({'query': torch.zeros(4, 5, 5, dtype=torch.float16)}, 'dtype'),
        ({'labels': torch.zeros(2, 3, 4, 4)}, 'labels'),
        ({'context': torch.zeros(0, 4, 5, 5), 'labels': torch.zeros(0, 3, 5, 5)}, 'at least one'),
        ({'query': torch.zeros(4, 5, 5, device='meta')}, 'one device'),
        ({'temperature': 0.0}, 'temperature'),
        ({'temperature': math.nan}, 'temperature'),
        ({'top_k': 0}, 'top_k'),
        ({'first': -1}, 'first'),
        ({'window': 'hexagon'}, 'hexagon'),
        ({'similarity': 'l2'}, 'l2'),
        ({'known': torch.ones(2, 2, dtype=torch.bool)}, 'known'),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, Any], message: str) -> None:
    query, context, labels = scene(2, 4, 3, (5, 5))
    arguments: dict[str, Any] = {'query': query, 'context': context, 'labels': labels}
    with pytest.raises(DriftError, match=message):
        propagate(**(arguments | change))
