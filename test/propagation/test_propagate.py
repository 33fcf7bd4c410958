from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from drift_ros.errors import DriftError
from drift_ros.propagation import propagate

Array = NDArray[np.float64]


def propagate_by_loops(
    query: Array,
    context: Array,
    labels: Array,
    temperature: float,
    top_k: int,
    radius: int,
    known: NDArray[np.bool_] | None = None,
) -> Array:
    """The protocol as loops over cells, plain enough to be checked by eye.

    (C, h, w), (T, C, h, w), (T, K, h, w) -> (K, h, w), in float64.
    """
    frames, classes, height, width = labels.shape
    query = query / np.maximum(np.linalg.norm(query, axis=0, keepdims=True), 1e-12)
    context = context / np.maximum(np.linalg.norm(context, axis=1, keepdims=True), 1e-12)
    out = np.zeros((classes, height, width))
    for row in range(height):
        for column in range(width):
            found = []
            for t in range(frames):
                for y in range(height):
                    for x in range(width):
                        if radius > 0 and max(abs(y - row), abs(x - column)) > radius:
                            continue
                        cosine = float(query[:, row, column] @ context[t, :, y, x])
                        found.append((cosine, t, y, x))
            found.sort(reverse=True)
            weakest = found[min(top_k, len(found)) - 1][0]
            kept = [f for f in found if f[0] >= weakest - 1e-9]  # ties are kept
            weights = [math.exp((f[0] - found[0][0]) / temperature) for f in kept]
            for c in range(classes):
                voters = [
                    (a, labels[t, c, y, x])
                    for a, (_, t, y, x) in zip(weights, kept, strict=True)
                    if known is None or known[t, c]
                ] or [
                    (a, labels[t, c, y, x]) for a, (_, t, y, x) in zip(weights, kept, strict=True)
                ]
                out[c, row, column] = sum(a * v for a, v in voters) / sum(a for a, _ in voters)
    return out


def scene(
    frames: int, channels: int, classes: int, grid: tuple[int, int], seed: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(seed)
    query = torch.randn(channels, *grid)
    context = torch.randn(frames, channels, *grid)
    labels = torch.softmax(torch.randn(frames, classes, *grid), dim=1)
    return query, context, labels


def reference(query: Tensor, context: Tensor, labels: Tensor, **options: object) -> Tensor:
    known = options.pop('known', None)
    out = propagate_by_loops(
        query.double().numpy(),
        context.double().numpy(),
        labels.double().numpy(),
        known=None if known is None else known.numpy(),  # type: ignore[attr-defined]
        **options,  # type: ignore[arg-type]
    )
    return torch.from_numpy(out).float()


@settings(max_examples=60, deadline=None)
@given(
    frames=st.integers(1, 4),
    channels=st.integers(1, 6),
    classes=st.integers(1, 5),
    height=st.integers(1, 6),
    width=st.integers(1, 6),
    radius=st.integers(0, 8),
    top_k=st.integers(1, 200),
    temperature=st.sampled_from([0.05, 0.1, 1.0]),
    seed=st.integers(0, 1000),
)
def test_equals_the_loops(
    frames: int,
    channels: int,
    classes: int,
    height: int,
    width: int,
    radius: int,
    top_k: int,
    temperature: float,
    seed: int,
) -> None:
    query, context, labels = scene(frames, channels, classes, (height, width), seed)
    options = {'temperature': temperature, 'top_k': top_k, 'radius': radius}
    if (
        channels == 1
    ):  # all cosines are +-1: every match ties, and only rounding could break the ties
        query, context = query.sign(), context.sign()
    found = propagate(query, context, labels, **options)  # type: ignore[arg-type]
    expected = reference(query, context, labels, **options)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_tiles_join_without_seams() -> None:
    query, context, labels = scene(2, 5, 3, (15, 27))
    options = {'temperature': 0.1, 'top_k': 7, 'radius': 3}
    found = propagate(query, context, labels, **options)  # type: ignore[arg-type]
    torch.testing.assert_close(found, reference(query, context, labels, **options))


@pytest.mark.parametrize('top_k', [1, 3, 1000])
def test_zero_features_tie_everywhere_and_average(top_k: int) -> None:
    query, context, labels = scene(2, 4, 3, (5, 5))
    found = propagate(query * 0, context * 0, labels, top_k=top_k, radius=0)
    torch.testing.assert_close(found, labels.mean((0, 2, 3))[:, None, None].expand(3, 5, 5))


def test_without_window_and_top_k_it_is_attention() -> None:
    query, context, labels = scene(1, 8, 4, (6, 7))
    found = propagate(query, context, labels, temperature=0.2, top_k=42, radius=0)
    q = torch.nn.functional.normalize(query, dim=0).flatten(1).T
    k = torch.nn.functional.normalize(context[0], dim=0).flatten(1).T
    attention = torch.softmax(q @ k.T / 0.2, dim=1)
    expected = (attention @ labels[0].flatten(1).T).T.view(4, 6, 7)
    torch.testing.assert_close(found, expected)


def test_many_classes() -> None:
    query, context, labels = scene(2, 4, 255, (6, 6))
    options = {'temperature': 0.1, 'top_k': 5, 'radius': 2}
    found = propagate(query, context, labels, **options)  # type: ignore[arg-type]
    torch.testing.assert_close(found, reference(query, context, labels, **options))
    torch.testing.assert_close(found.sum(0), torch.ones(6, 6))


@pytest.mark.parametrize('top_k', [2, 40])
def test_frames_that_do_not_know_a_label_do_not_vote_on_it(top_k: int) -> None:
    query, context, labels = scene(3, 4, 3, (6, 5))
    known = torch.tensor([[False, True, False], [False, True, False], [True, True, True]])
    options = {'temperature': 0.5, 'top_k': top_k, 'radius': 2}
    found = propagate(query, context, labels, known=known, **options)  # type: ignore[arg-type]
    torch.testing.assert_close(found, reference(query, context, labels, known=known, **options))


def test_moved_image_moves_the_labels() -> None:
    torch.manual_seed(1)
    wide = torch.randn(16, 20, 26)
    labels = torch.zeros(1, 2, 20, 20)
    labels[0, 1, 5:12, 6:13] = 1
    labels[0, 0] = 1 - labels[0, 1]
    found = propagate(wide[:, :, 4:24], wide[None, :, :, :20], labels, top_k=1, radius=6)
    expected = labels[0].roll(-4, dims=2)
    torch.testing.assert_close(found[:, :, :16], expected[:, :, :16])


@pytest.mark.parametrize(('dtype', 'tolerance'), [(torch.bfloat16, 5e-2), (torch.float16, 1e-2)])
def test_half_precision_is_close(dtype: torch.dtype, tolerance: float) -> None:
    query, context, labels = scene(3, 64, 3, (13, 14))
    options = {'temperature': 0.2, 'top_k': 100, 'radius': 5}
    found = propagate(query.to(dtype), context.to(dtype), labels, **options)  # type: ignore[arg-type]
    exact = propagate(query, context, labels, **options)  # type: ignore[arg-type]
    torch.testing.assert_close(found, exact, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'query': torch.zeros(4, 5, 6)}, 'query'),
        ({'labels': torch.zeros(2, 3, 4, 4)}, 'labels'),
        ({'context': torch.zeros(0, 4, 5, 5), 'labels': torch.zeros(0, 3, 5, 5)}, 'at least one'),
        ({'temperature': 0.0}, 'temperature'),
        ({'top_k': 0}, 'top_k'),
        ({'known': torch.ones(2, 2, dtype=torch.bool)}, 'known'),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, object], message: str) -> None:
    query, context, labels = scene(2, 4, 3, (5, 5))
    arguments = {'query': query, 'context': context, 'labels': labels} | change
    with pytest.raises(DriftError, match=message):
        propagate(**arguments)  # type: ignore[arg-type]
