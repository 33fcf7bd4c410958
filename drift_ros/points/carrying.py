"""Where motion takes points before they are sought: with their layers, or with the flow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from drift_ros.points.grid import Grid
from drift_ros.points.layers import NONE, Layers, choose, follow
from drift_ros.points.matching import FrameMaps
from drift_ros.points.motion import Field
from drift_ros.points.states import State
from drift_ros.settings import PointSettings

Floats = NDArray[np.float32]

AWAY, OFF = 2.0, 6.0  # px in a frame, and in all, beyond which a point is not of its layer
PASSING = 3.0  # px that the flow differs from the layer where something else is seen


@dataclass(frozen=True, slots=True, eq=False)
class Carried:
    """Where motion takes N points.

    Attributes:
        layers: of the image; None where there is no flow.
        layer: (N,) number of the layer of each point; -1 for none.
        places: (N, 2) float32 in px, by the layer, or else by the flow.
        doubt: (N,) float32, distance / limit of the check of each; infinite for points that neither
            takes along.
    """

    layers: Layers | None
    layer: NDArray[np.int64]
    places: Floats
    doubt: Floats


def carry(
    state: State, field: Field | None, settings: PointSettings, frame: FrameMaps, grid: Grid
) -> Carried:
    """Points go with their layers, and visible ones without a layer with the flow.

    Args:
        state: what is known after the frame before.
        field: flow from there to the new frame; None if there is none.
        settings: how.
        frame: the new one.
        grid: its cells.
    """
    size = grid.size
    visible = state.visible.cpu().numpy()
    flowing, trip = state.positions, np.full(len(visible), np.inf, np.float32)
    if field is not None:
        moved, back = field.move(flowing)
        flowing = np.where(visible[:, None], moved, flowing)
        trip = np.where(visible, back, trip)
    doubt = np.asarray(trip / settings.trip, np.float32)
    if field is None or settings.motion != 'layers':
        return Carried(None, np.full(len(visible), NONE), flowing, doubt)
    layers = follow(state.layers, field)
    layer = np.where(np.isin(state.layer, list(layers.motions)), state.layer, NONE)
    places = layers.move(layer, state.carried, size)
    apart = np.linalg.norm(field.move(state.carried)[0] - places, axis=1)
    strays = (apart > AWAY) | (np.linalg.norm(flowing - places, axis=1) > OFF)
    strays &= (layer != NONE) & (doubt <= 1)
    if strays.any():  # it leaves its layer, or something passes before it
        own, others = (_likeness(state, frame, grid, p) for p in (flowing, places))
        layer[strays & (own >= settings.similarity) & (own > others)] = NONE
    stays = layer != NONE
    clear = (doubt <= 1) & (field.texture(state.positions) >= layers.texture)
    chosen = choose(layers, state.positions, flowing, doubt <= 1, clear, size)
    layer = np.where(stays | ~visible, layer, chosen)
    places[~stays] = flowing[~stays]
    blind = (layer != NONE) & ~stays & ~clear
    places[blind] = layers.move(layer, state.positions, size)[blind]
    doubt[stays] = apart[stays] / PASSING
    doubt[(layer != NONE) & (field.texture(state.carried) < layers.texture)] = 0
    return Carried(layers, layer, places, doubt)


def _likeness(state: State, frame: FrameMaps, grid: Grid, positions: Floats) -> NDArray[np.float32]:
    """(N,) cosines of what is sought with what is at positions (N, 2) in px; 1 where no cosines
    are compared.
    """
    places = grid.to_cells(torch.from_numpy(positions).to(state.places.device))
    cosine = frame.similarity(state.vectors, places)
    return np.ones(len(positions), np.float32) if cosine is None else cosine.cpu().numpy()
