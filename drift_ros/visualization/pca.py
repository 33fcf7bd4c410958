"""Feature maps as pictures: their three main directions as red, green and blue."""

from __future__ import annotations

import torch
from torch import Tensor

from drift_ros.visualization.overlay import Picture

TAIL = 0.01  # share of cells that is cut off at each end of a colour's range


def principal_colours(features: Tensor) -> list[Picture]:
    """Colours of cells by a principal component analysis over all maps together.

    Cells of like colour have like descriptors, within a map and across maps (the TED paper's
    figure 5c, with a pair of frames). Lengths of descriptors are left out of it, as the cosine
    does.

    Args:
        features: (n, C, h, w) floating point descriptors.

    Returns:
        n pictures (h, w, 3) uint8. Fewer than three directions leave the last colours mid-grey.
    """
    count, channels, height, width = features.shape
    cells = torch.nn.functional.normalize(features.detach().float().cpu().nan_to_num(), dim=1)
    cells = cells.permute(0, 2, 3, 1).reshape(-1, channels).double()
    cells -= cells.mean(0)
    values, vectors = torch.linalg.eigh(cells.T @ cells / len(cells))
    seen = values.flip(0)[:3] > 1e-10  # numerical noise of equal descriptors is no direction
    directions = vectors.flip(1)[:, :3][:, seen]
    # The sign of a direction is arbitrary: let its largest entry be positive.
    largest = directions.abs().argmax(0, keepdim=True)
    directions = directions * directions.gather(0, largest).sign()
    colours = torch.full((len(cells), 3), 0.5, dtype=torch.float64)
    for channel, amount in enumerate((cells @ directions).T):
        low, high = amount.sort().values[[_rank(amount, TAIL), _rank(amount, 1 - TAIL)]]
        colours[:, channel] = (amount - low) / (high - low).clamp_min(1e-12)
    maps = colours.clamp(0, 1).mul(255).round().to(torch.uint8)
    return list(maps.view(count, height, width, 3).numpy())


def _rank(amount: Tensor, share: float) -> int:
    return round(share * (len(amount) - 1))
