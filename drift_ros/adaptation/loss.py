"""How far soft maps are from masks."""

from __future__ import annotations

from typing import Literal

from torch import Tensor
from torch.nn import functional

from drift_ros.errors import PromptError

EMPTY = 1e-6  # shares are kept this far from 0 and 1


def balanced(labels: Tensor) -> Tensor:
    """Weights (K, h, w) of cells that sum to one per label: the cells of a target have half of it,
    however few they are, all others the other half.
    """
    mass = labels.sum((1, 2), keepdim=True)
    rest = (1 - labels).sum((1, 2), keepdim=True).clamp_min(1)
    return labels / (2 * mass) + (1 - labels) / (2 * rest)


def distance(found: Tensor, labels: Tensor, kind: Literal['bce', 'mse']) -> Tensor:
    """Balanced binary cross-entropy or squared error of (K, h, w) maps, summed over targets."""
    if kind == 'mse':
        errors = (found - labels).square()
    else:
        kept = found.clamp(EMPTY, 1 - EMPTY)
        errors = functional.binary_cross_entropy(kept, labels, reduction='none')
    return (errors * balanced(labels)).sum()


def require_cells(labels: Tensor) -> None:
    """Refuse labels (K, h, w) that show no target, or one of them nowhere."""
    empty = [index for index, each in enumerate(labels) if index and not bool((each > 0).any())]
    if len(labels) < 2 or empty:
        raise PromptError(
            'nothing can be adapted to an empty mask: '
            + (f'target {empty[0]} of {len(labels) - 1} has no cell' if empty else 'no target')
            + ' on the prompted frame; prompt it with a mask that covers it'
        )
