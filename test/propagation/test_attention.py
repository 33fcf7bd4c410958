"""Attention with labels as values, against the whole matrix."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from drift_ros.errors import DriftError
from drift_ros.propagation.attention import attend, attend_elsewhere, kernel_of, spread

GRID = (5, 7)


def draw(frames: int, heads: int = 2, channels: int = 8, classes: int = 3, grid=GRID):
    generator = torch.Generator().manual_seed(frames)
    shape = (channels, *grid)
    queries = [torch.randn(shape, generator=generator) for _ in range(heads)]
    keys = [torch.randn((frames, *shape), generator=generator) for _ in range(heads)]
    labels = torch.rand((frames, classes, *grid), generator=generator)
    return queries, keys, labels / labels.sum(1, keepdim=True)


def whole(query: Tensor, keys: Tensor, labels: Tensor, known: Tensor | None = None) -> Tensor:
    """One head by its whole matrix, in float64."""
    logits = query.double().flatten(1).T @ keys.double().transpose(0, 1).flatten(1)
    weights = logits.softmax(1)
    values = labels.double().transpose(0, 1).flatten(1)
    out = weights @ values.T
    if known is not None:
        knows = known.double().T[..., None, None].expand(-1, -1, *query.shape[1:]).flatten(1)
        mass = weights @ knows.T
        out = torch.where(mass > 0, weights @ (values * knows).T / mass, out)
    return out.T.reshape(labels.shape[1], *query.shape[1:])


@pytest.mark.parametrize('frames', [1, 4])
@pytest.mark.parametrize('classes', [2, 8, 21, 255])  # fewer than channels, as many, more, most
def test_equals_the_whole_matrix(frames: int, classes: int) -> None:
    queries, keys, labels = draw(frames, classes=classes)
    weights = torch.tensor([0.25, 0.75])
    expected = sum(w * whole(q, k, labels) for q, k, w in zip(queries, keys, weights, strict=True))
    found = attend(queries, keys, labels, weights=weights)
    assert float((found - expected).abs().max()) < 1e-5
    assert float((found.sum(0) - 1).abs().max()) < 1e-5


@pytest.mark.parametrize(('dtype', 'tolerance'), [('float16', 2e-3), ('bfloat16', 2e-2)])
def test_half_precision_rounds_no_more_than_is_said(dtype: str, tolerance: float) -> None:
    queries, keys, labels = draw(3)
    lower = getattr(torch, dtype)
    rounded = [q.to(lower) for q in queries], [k.to(lower) for k in keys]
    expected = sum(whole(q, k, labels) / 2 for q, k in zip(*rounded, strict=True))
    found = attend(*rounded, labels)
    assert found.dtype == torch.float32
    assert float((found - expected).abs().max()) < tolerance


def test_frames_that_do_not_know_a_label_do_not_vote_on_it() -> None:
    queries, keys, labels = draw(3, heads=1)
    known = torch.tensor([[True, True, False], [True, True, True], [True, False, False]])
    expected = whole(queries[0], keys[0], labels, known)
    found = attend(queries, keys, labels, known=known)
    assert float((found - expected).abs().max()) < 1e-5
    assert not torch.allclose(found, attend(queries, keys, labels), atol=1e-2)


def test_a_window_as_large_as_the_frame_changes_nothing() -> None:
    queries, keys, labels = draw(2)
    found = attend(queries, keys, labels, radius=7, top_k=0)
    torch.testing.assert_close(found, attend(queries, keys, labels), rtol=0, atol=1e-5)


def test_top_k_and_window_leave_out_what_they_should() -> None:
    queries, keys, labels = draw(2, heads=1)
    logits = queries[0].flatten(1).T @ keys[0].transpose(0, 1).flatten(1)
    rows = torch.arange(GRID[0]).repeat_interleave(GRID[1])
    columns = torch.arange(GRID[1]).repeat(GRID[0])
    near = (rows[:, None] - rows).abs().le(2) & (columns[:, None] - columns).abs().le(2)
    logits = logits.masked_fill(~near.repeat(1, 2), -torch.inf)
    least = logits.topk(3, 1).values[:, -1:]
    weights = logits.masked_fill(logits < least, -torch.inf).softmax(1)
    expected = (weights @ labels.transpose(0, 1).flatten(1).T).T.reshape(-1, *GRID)
    found = attend(queries, keys, labels, radius=2, top_k=3)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_layers_of_several_grids_are_combined_on_the_finest() -> None:
    fine = draw(2, heads=1, grid=(8, 12))
    coarse = draw(2, heads=1, grid=(4, 6))
    labels = fine[2]
    pooled = functional.avg_pool2d(labels, 2)
    found = attend([*fine[0], *coarse[0]], [*fine[1], *coarse[1]], labels)
    rough = whole(coarse[0][0], coarse[1][0], pooled)[None]
    rough = functional.interpolate(rough, (8, 12), mode='bilinear', align_corners=False)[0]
    expected = (whole(fine[0][0], fine[1][0], labels) + rough) / 2
    assert float((found - expected).abs().max()) < 1e-5


def test_heads_without_weight_do_not_matter() -> None:
    queries, keys, labels = draw(2)
    found = attend(queries, keys, labels, weights=torch.tensor([2.0, 0.0]))
    torch.testing.assert_close(found, attend(queries[:1], keys[:1], labels))


def test_the_matrix_is_never_held() -> None:
    """4096 cells against 8 frames of as many: the matrix alone would take 512 MiB."""
    from torch.profiler import ProfilerActivity, profile

    queries, keys, labels = draw(8, heads=1, channels=16, classes=2, grid=(64, 64))
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        attend(queries, keys, labels)
    largest = max(event.self_cpu_memory_usage for event in record.events())
    assert 0 < largest < 2**25


def test_labels_spread_to_what_is_alike() -> None:
    """Two regions of unlike cells: a click in one fills it, and leaves the other alone."""
    direction = torch.zeros(2, *GRID)
    direction[0, :, :3], direction[1, :, 3:] = 1, 1
    labels = torch.zeros(1, *GRID)
    labels[0, 2, 1] = 1
    found = spread([20 * direction], [direction], labels, steps=2)[0]
    assert float(found[:, :3].min()) > 100 * float(found[:, 3:].max())
    assert float(found[:, :3].max() - found[:, :3].min()) < 1e-5


@pytest.mark.parametrize('margin', [-1, 0, 1])
def test_cells_nearby_are_left_out(margin: int, monkeypatch: pytest.MonkeyPatch) -> None:
    queries, keys, labels = draw(1, heads=1)
    monkeypatch.setattr('drift_ros.propagation.attention.CHUNK_BYTES', 4 * 35 * 4)
    found = attend_elsewhere(queries[0], keys[0][0], labels[0], margin)
    for row, column in ((0, 0), (2, 3), (4, 6)):
        logits = torch.einsum('c,chw->hw', queries[0][:, row, column], keys[0][0])
        if margin >= 0:
            top, left = max(0, row - margin), max(0, column - margin)
            logits[top : row + margin + 1, left : column + margin + 1] = -torch.inf
        weights = logits.flatten().softmax(0)
        expected = labels[0].flatten(1) @ weights
        torch.testing.assert_close(found[:, row, column], expected, rtol=0, atol=1e-5)


def test_the_kernel_of_a_cell_is_its_row_of_the_matrix() -> None:
    queries, keys, labels = draw(3, heads=1)
    weights = kernel_of(queries[0][:, 1, 2], keys[0])
    assert float(weights.sum()) == pytest.approx(1)
    mean = torch.einsum('thw,tkhw->k', weights, labels)
    torch.testing.assert_close(mean, attend(queries, keys, labels)[:, 1, 2], rtol=0, atol=1e-5)


def test_what_does_not_fit_is_refused() -> None:
    queries, keys, labels = draw(2)
    with pytest.raises(DriftError, match='attend needs queries'):
        attend(queries, keys[:1], labels)
    with pytest.raises(DriftError, match='attend needs a weight'):
        attend(queries, keys, labels, weights=torch.zeros(2))
