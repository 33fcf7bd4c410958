"""Where points are by rules: motion leads there, and descriptors or the image agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drift_ros.points.carrying import Carried
from drift_ros.points.grid import Grid
from drift_ros.points.layers import NONE
from drift_ros.points.matching import FrameMaps, Matcher
from drift_ros.points.registration import Image, misfit, register
from drift_ros.points.states import Group, Ruled, State

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

LED, NEAR, FAR = 8.0, 6.0, 24.0  # px that registration moves points by: of a layer, flow, or look
RETURN = 0.7  # px from its start beyond which a patch that is sought there and back is another one
MOVED, BETTER = 1.0, 0.8  # px from there, where the image must differ by so much less


@dataclass(frozen=True, slots=True, eq=False)
class Rules:
    """Rules for the points of a frame.

    Attributes:
        matcher: compares descriptors, with its settings.
        state: what is known after the frame before.
        groups: of the points, by the frames of their queries.
        frame: the new one.
        grid: its cells.
        image: (H, W) it without light and shade.
    """

    matcher: Matcher
    state: State
    groups: Sequence[Group]
    frame: FrameMaps
    grid: Grid
    image: Image

    def apply(self, to: Carried) -> Ruled:
        """Where points are that motion takes somewhere; those that do not join their layer leave
        it. Points where their layer leads and fits are there, and neither compared nor registered.
        """
        state, frame, grid, settings = self.state, self.frame, self.grid, self.matcher.settings
        device = state.places.device
        on_layer = to.layer != NONE
        known = on_layer | state.visible.cpu().numpy()
        height, width = grid.size
        left = ((to.places < -0.5) | (to.places >= [width - 0.5, height - 0.5])).any(1) & known
        fits = to.fits
        places, stays = self._compare(to.places, on_layer | (to.doubt <= 1), known, ~fits)
        kept = stays.cpu().numpy() | left
        led = kept | on_layer
        positions = np.where(led[:, None], to.places, grid.to_pixels(places).cpu().numpy())
        doubt = to.doubt.copy()
        if settings.visibility == 'cycle':
            self._return(~led, positions, doubt)
        registered = np.zeros(len(kept), bool)
        if settings.registration:
            reach = np.where(on_layer, LED, np.where(led, NEAR, FAR))
            registered = self._register(~left & ~fits, on_layer, reach, positions, doubt)
        hidden = on_layer & ~kept & ~registered & ~fits
        refused = hidden & (state.layer == NONE)  # a point does not join where it looks otherwise
        to.layer[refused] = NONE
        hidden &= ~refused
        positions[hidden], doubt[hidden] = to.places[hidden], np.inf
        places = grid.to_cells(torch.from_numpy(positions).to(device))
        confidence = torch.ones(len(places), device=device)
        if settings.visibility == 'cycle':
            confidence = torch.exp2(-(torch.from_numpy(doubt).to(device) ** 2))
            if (cosine := frame.similarity(state.vectors, places)) is not None:
                rise = (cosine - settings.similarity) / (1 - settings.similarity)
                confidence = confidence.minimum((0.5 + 0.5 * rise).clamp(0, 1))
        outside = ((positions < -0.5) | (positions >= [width - 0.5, height - 0.5])).any(1)
        confidence[torch.from_numpy(outside).to(device)] = 0
        return Ruled(positions, confidence, kept, registered, doubt)

    def _compare(
        self, moved: Floats, trusted: Bools, known: Bools, sought: Bools
    ) -> tuple[Tensor, Tensor]:
        """Places (N, 2) in cells: those to which trusted motion leads where descriptors agree, else
        those that they find; and (N,) bool, which are of the motion. Those that are not sought are
        where it leads, and not of it.
        """
        state, grid, settings = self.state, self.grid, self.matcher.settings
        device = state.places.device
        cells = grid.to_cells(torch.from_numpy(moved).to(device))
        around = None
        if settings.search:
            around = torch.where(torch.from_numpy(known).to(device)[:, None], cells, torch.nan)
        stay = torch.where(torch.from_numpy(trusted).to(device)[:, None], cells, torch.nan)
        places, stays = cells.clone(), torch.zeros_like(state.visible)
        for source, group, asked in self.groups:
            chosen = sought[group]
            rows = torch.from_numpy(group[chosen]).to(device)
            if settings.readout == 'field':
                start = grid.to_cells(torch.from_numpy(asked[chosen]).to(device))
                places[rows] = self.matcher.field(start, self.frame, source.maps)
            else:
                places[rows], stays[rows] = self.matcher.stay_or_find(
                    state.vectors[rows],
                    self.frame,
                    stay[rows],
                    settings.agreement,
                    source=source.maps,
                    around=None if around is None else around[rows],
                )
        return places, stays

    def _return(self, chosen: Bools, positions: Floats, doubt: Floats) -> None:
        """Write into `doubt` how far from their queries some points lead back by descriptors."""
        device = self.state.places.device
        for source, group, asked in self.groups:
            rows = chosen[group]
            if rows.any():
                places, start = (
                    self.grid.to_cells(torch.from_numpy(each[rows]).to(device))
                    for each in (positions[group], asked)
                )
                sought = self.frame.sample(places)
                back = self.matcher.find(sought, source.maps, source=self.frame)
                distance = (back - start).norm(dim=1) / self.matcher.settings.tolerance
                doubt[group[rows]] = distance.cpu().numpy()

    def _register(
        self, chosen: Bools, on_layer: Bools, reach: Floats, positions: Floats, doubt: Floats
    ) -> Bools:
        """Bring some points to where the image around their query is found within reach (N,) px;
        (N,) bool, which ones. A point of a layer stays where that leads, unless another place fits
        much better.
        """
        registered = np.zeros(len(positions), bool)
        for source, group, asked in self.groups:
            rows = group[chosen[group]]
            led = positions[rows]
            start = asked[chosen[group]]
            found, back = register(source.image, self.image, start, led, reach[rows])
            good = back <= RETURN
            apart = np.linalg.norm(found - led, axis=1)
            moved = np.flatnonzero(good & on_layer[rows] & (apart > MOVED))
            own = self.state.patches[rows[moved]]
            there, here = (misfit(own, self.image, each[moved]) for each in (found, led))
            worse = moved[there > BETTER * here]
            found[worse] = led[worse]
            positions[rows[good]] = found[good]
            doubt[rows[good]] = back[good] / RETURN
            registered[rows[good]] = True
        return registered
