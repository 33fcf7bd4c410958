"""Where motion takes points before they are sought: with a layer, or with the flow.

Every layer is tried with every point: where it would have taken the point since its query, the
image must look like it did there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drift_ros.points.layers import NONE, Layers, follow
from drift_ros.points.motion import Field
from drift_ros.points.planes import transform
from drift_ros.points.registration import Image, misfit
from drift_ros.points.states import Path, State
from drift_ros.settings import PointSettings

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

# In grey levels of images without light and shade, by which they differ on the mean:
ALIKE = 20.0  # places that differ by less may be the same
FITS = 14.0  # where a layer leads that differs by no more, the point is
MOST = 40.0  # differences that are larger count as this
BETTER = 2.0  # the flow must be so much better than any layer
PER_PIXEL = 1.0  # for each px that a layer leads away from the flow, CAP of them at most
CAP = 4.0
NEWEST = 0.5  # weight of the newest difference in the mean
ELSEWHERE = 2.0  # distance / limit where something else is seen
PULL = 0.3  # share of the way from a layer to where a point was found


@dataclass(frozen=True, slots=True, eq=False)
class Carried:
    """Where motion takes N points.

    Attributes:
        layers: of the image; None where there is no flow.
        layer: (N,) number of the layer of each point; -1 for none.
        paths: with each layer, by its number, and without one (-1).
        places: (N, 2) float32 in px, by the layer, or else by the flow.
        doubt: (N,) float32, distance / limit of the check of each; infinite for points that neither
            takes along.
        misfit: (N,) float32 grey levels by which the image differs there; infinite without a layer.
    """

    layers: Layers | None
    layer: NDArray[np.int64]
    paths: dict[int, Path]
    places: Floats
    doubt: Floats
    misfit: Floats

    @property
    def fits(self) -> Bools:
        """(N,) whether the image looks like the query where the layer of a point leads."""
        return (self.layer != NONE) & (self.misfit <= FITS)

    def pulled(self, positions: Floats, exact: Bools) -> dict[int, Path]:
        """Paths of points, which were found exactly (N,) at positions (N, 2): so parts that are no
        planes are followed, too.
        """
        paths = dict(self.paths)
        for number, path in self.paths.items():
            rows = exact & (self.layer == number)
            places = path.places.copy()
            places[rows] += PULL * (positions - places)[rows]
            paths[number] = Path(places, path.misfit)
        return paths


def carry(state: State, field: Field | None, settings: PointSettings, image: Image) -> Carried:
    """Points go with the layer that fits them, visible ones that none fits with the flow.

    Args:
        state: what is known after the frame before.
        field: flow from there to the new frame; None if there is none.
        settings: how.
        image: (H, W) the new frame without light and shade.
    """
    visible, count = state.visible.cpu().numpy(), len(state.ids)
    flowing, trip = state.positions, np.full(count, np.inf, np.float32)
    if field is not None:
        flowing = np.where(visible[:, None], field.move(flowing), flowing)
        trip[visible] = field.trip(state.positions[visible], flowing[visible])
    doubt = np.asarray(trip / settings.trip, np.float32)
    none, far = np.full(count, NONE), np.full(count, np.inf, np.float32)
    if field is None or settings.motion != 'layers':
        return Carried(None, none, {}, flowing, doubt, far)
    layers = follow(state.layers, field)
    if not layers.motions:
        return Carried(layers, none, {}, flowing, doubt, far)
    numbers = list(layers.motions)
    paths, errors = _try(state, layers, field, flowing, doubt, image)
    each = [paths[n] for n in numbers]
    best = np.argmin([path.misfit for path in each], axis=0), np.arange(count)
    layer = np.array(numbers)[best[0]]
    places = np.stack([path.places for path in each])[best]
    means, error = (np.stack(x)[best] for x in ([path.misfit for path in each], errors))
    free = (means > paths[NONE].misfit + BETTER) | (means > ALIKE)
    layer[free], places[free] = NONE, flowing[free]
    doubt = np.where(free, doubt, np.where(error <= ALIKE, 0, ELSEWHERE)).astype(np.float32)
    return Carried(layers, layer, paths, places, doubt, np.where(free, np.inf, error))


def _try(
    state: State, layers: Layers, field: Field, flowing: Floats, doubt: Floats, image: Image
) -> tuple[dict[int, Path], list[Floats]]:
    """Paths of points in the new image, and, layer by layer, by how many grey levels (N,) the image
    differs there.
    """
    visible = state.visible.cpu().numpy()
    before = [state.path(number) for number in layers.motions]
    # no farther than one image beyond this one, as the points
    size = np.array(field.size[::-1], np.float32)
    moved = [
        transform(motion, path.places).clip(-size, 2 * size)
        for motion, path in zip(layers.motions.values(), before, strict=True)
    ]
    errors = [misfit(state.patches, image, places) for places in moved]
    own = np.where(visible, misfit(state.patches, image, flowing), np.inf)
    seen = np.minimum(np.min(errors, axis=0), own) <= ALIKE
    sure = visible & (doubt <= 1)
    paths = {}
    for number, path, places, error in zip(layers.motions, before, moved, errors, strict=True):
        apart = np.linalg.norm(places - field.move(path.places), axis=1)
        cost = error + PER_PIXEL * np.where(sure, np.minimum(apart, CAP), 0)
        paths[number] = Path(places, _mean(path.misfit, cost, seen))
    paths[NONE] = Path(flowing, _mean(state.path(NONE).misfit, own, seen & visible))
    return paths, errors


def _mean(before: Floats, now: NDArray[np.floating], seen: Bools) -> Floats:
    """(N,) with the newest difference, of points that are seen at one of their places."""
    new = before + NEWEST * (np.minimum(now, MOST) - before)
    return np.asarray(np.where(seen, new, before), np.float32)
