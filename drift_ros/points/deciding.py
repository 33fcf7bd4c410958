"""Where points are, as the network that was trained on rendered tracks says."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drift_ros.points.carrying import Carried
from drift_ros.points.grid import Grid
from drift_ros.points.judging import Judge, Memory, Seen, cosines_around
from drift_ros.points.layers import NONE
from drift_ros.points.matching import FrameMaps, soft_peak
from drift_ros.points.motion import Field
from drift_ros.points.registration import Image, misfit
from drift_ros.points.states import Ruled, State

Floats = NDArray[np.float32]

WEIGHTS = 2**22  # that are held at a time
BEST = 2  # cells around the best one of which its place is the mean
OFF = 6.0  # px beyond which a point is not of its layer


def decide(
    judge: Judge,
    state: State,
    to: Carried,
    field: Field | None,
    ruled: Ruled,
    frame: FrameMaps,
    grid: Grid,
    seen: Seen,
    temperature: float,
    image: Image,
) -> tuple[Ruled, Memory]:
    """Where the network has points; those that are off their layer leave it. Points where their
    layer leads and fits are there, as the rules say.

    Args:
        judge: the network.
        state: what is known after the frame before, with a memory.
        to: where motion takes the points.
        field: the flow; None if there is none.
        ruled: where rules have them.
        frame: the new one.
        grid: its cells.
        seen: its image.
        temperature: of cosines.
        image: (H, W) the new frame without light and shade.
    """
    assert state.memory is not None
    device = state.places.device
    given = [ruled.positions, to.places, _flowing(state, field), state.positions]
    each = [torch.from_numpy(x).to(device) for x in (*given, _known(to, field, ruled))]
    fitting = torch.from_numpy(np.flatnonzero(to.fits)).to(device)
    asked = torch.from_numpy(np.flatnonzero(~to.fits)).to(device)
    at, _, _, before, _ = (x[fitting] for x in each)
    parts = [judge.agree(state.memory[fitting], seen, before, at)]
    step = max(1, WEIGHTS // math.prod(frame.shape))
    for rows in asked.split(step) if len(asked) else ():
        memory = state.memory[rows]
        at, moved, flow, before, facts = (x[rows] for x in each)
        found = frame.cosines(state.vectors[rows])
        best = grid.to_pixels(soft_peak(found / temperature, BEST))
        speed = 2 * before - memory.before
        own = state.patches[rows.cpu().numpy()]
        parts.append(
            judge.judge(
                memory,
                seen,
                before,
                torch.stack([at, moved, flow, speed, best], 1),
                lambda p, found=found: cosines_around(found, grid.to_cells(p)),  # type: ignore[misc]
                lambda p, own=own: _misfits(own, image, p),  # type: ignore[misc]
                facts,
            )
        )
    order = torch.cat([fitting, asked]).argsort()
    where = torch.cat([positions for positions, _ in parts])[order]
    memory = Memory.concatenate([memory for _, memory in parts])[order]
    inside = ((where >= -0.5) & (where < seen.size - 0.5)).all(1)
    confidence = memory.confidence * inside
    exact = (memory.sure & (confidence >= 0.5)).cpu().numpy()
    positions = where.cpu().numpy()
    to.layer[exact & (np.linalg.norm(positions - to.places, axis=1) > OFF)] = NONE
    return Ruled(positions, confidence, ruled.kept, exact, ruled.doubt), memory


def _flowing(state: State, field: Field | None) -> Floats:
    """(N, 2) px where the flow leads."""
    return state.positions if field is None else field.move(state.positions)


def _known(to: Carried, field: Field | None, ruled: Ruled) -> Floats:
    """(N, `KNOWN`) facts."""
    texture = np.zeros(len(to.layer)) if field is None else field.texture(to.places)
    facts = [
        to.layer != NONE,
        np.log10(np.maximum(texture, 1e-7)) / 4 + 1,
        ruled.confidence.cpu().numpy(),
        ruled.kept,
        ruled.exact,
        np.minimum(ruled.doubt, 4) / 4,
    ]
    return np.stack(facts, 1).astype(np.float32)


def _misfits(own: Image, image: Image, places: Tensor) -> Tensor:
    """(N, k) grey levels by which patches (N, 21, 21) differ from an image at places (N, k, 2)."""
    count = places.shape[1]
    at = places.flatten(0, 1).cpu().numpy()
    found = misfit(np.repeat(own, count, 0), image, at)
    return torch.from_numpy(found).to(places.device).unflatten(0, (-1, count))
