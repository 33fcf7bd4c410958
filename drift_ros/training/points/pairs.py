"""The first part: points of one frame of a video are to be found in another."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.optim import AdamW

from drift_ros.points.network import STRIDES, Maps, PointNetwork, around
from drift_ros.training.points.settings import PointTraining
from drift_ros.training.points.videos import Images, TrackedVideo, VideosByNumber, vary

MAPS = ('fine', 'coarse', 'reads')  # parts of the network that make maps
REACH = 7  # cells around the true place among which it is to be found
GAPS = (1, 2, 4, 8, 12, 20)  # frames between those of a pair
CROP = 256  # px of a side of the images of a pair
SAME = 6  # pairs in a row from the same video
FEWEST = 6  # points of a pair
FOUND = 1.5  # cells from the truth within which a point counts as found


class Pairs:
    """The first part: trains what makes maps."""

    warm_up, watched = 30, 250

    def __init__(
        self, network: PointNetwork, settings: PointTraining, videos: VideosByNumber
    ) -> None:
        self._network, self._settings, self._videos = network, settings, videos
        self._clip: tuple[int, TrackedVideo] | None = None
        names = (*MAPS, 'sharpness')
        chosen = [p for n, p in network.named_parameters() if n.split('.')[0] in names]
        self._parameters = chosen
        self.optimizer = AdamW(chosen, settings.rate, betas=(0.9, 0.98), weight_decay=1e-3)

    def step(self, number: int) -> dict[str, float]:
        """A step on two frames of a video; several follow each other on the same."""
        rng = np.random.default_rng([self._settings.seed, 1, number])
        draw = np.random.default_rng([self._settings.seed, 2, number // SAME])
        which = int(draw.integers(self._settings.videos))
        if self._clip is None or self._clip[0] != which:
            self._clip = (which, self._videos[which])
        pair = _pair(self._clip[1], rng)
        if pair is None:
            return {}
        images, places = pair
        network = self._network
        maps = [network.maps(torch.from_numpy(image.copy())) for image in images]
        looks = network.looks(maps[0], places[0])
        loss, found = self.loss(maps[1], looks, places[1])
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._parameters, 1.0)
        self.optimizer.step()
        return {'loss': float(loss.detach()), 'found': found}

    def state(self) -> dict[str, Any]:
        """What is needed to go on."""
        return {
            'network': self._network.state_dict(),
            'optimizer': self.optimizer.state_dict(),
        }

    def load(self, state: dict[str, Any]) -> int:
        """Go on from a state; gives the number of steps done."""
        self._network.load_state_dict(state['network'])
        self.optimizer.load_state_dict(state['optimizer'])
        return int(state['done'])

    def loss(self, maps: Maps, looks: Tensor, places: Tensor) -> tuple[Tensor, float]:
        """Cross entropy of where points are among the cells around, and the share of them that are
        found.
        """
        loss, found = torch.zeros(()), []
        side = 2 * REACH + 2
        for level, (each, stride) in enumerate(zip(maps, STRIDES, strict=True)):
            window, part = around(each, places[:, None], stride, REACH)
            look = looks[:, level, looks.shape[2] // 2]
            products = (window[:, 0] @ look[:, :, None])[..., 0]
            logs = (self._network.sharpness[level].exp() * products).log_softmax(1)
            grid = logs.unflatten(1, (side, side))[:, REACH : REACH + 2, REACH : REACH + 2]
            x, y = part[:, 0, 0], part[:, 0, 1]
            across, down = torch.stack([1 - x, x], 1), torch.stack([1 - y, y], 1)
            loss = loss - (down[:, :, None] * across[:, None] * grid).sum((1, 2)).mean()
            best = logs.detach().argmax(1)
            at = torch.stack([best % side - REACH - x, best // side - REACH - y], 1)
            found.append(float((at.norm(dim=1) < FOUND).float().mean()))
        return loss, sum(found) / len(found)


def _pair(clip: TrackedVideo, rng: np.random.Generator) -> tuple[list[Images], list[Tensor]] | None:
    """Parts of two frames, and where (n, 2) the same points are in both; None if there are few."""
    length, height, width = clip.images.shape[:3]
    gap = min(int(rng.choice(GAPS)), length - 1)
    start = int(rng.integers(length - gap))
    frames = [start, start + gap] if rng.random() < 0.5 else [start + gap, start]
    both = np.flatnonzero(clip.visible[frames].all(0))
    if len(both) < FEWEST:
        return None
    middle = rng.choice(both)
    side = np.array([min(CROP, width), min(CROP, height)])
    images, places = [], []
    for frame in frames:
        at: NDArray[np.float64] = clip.positions[frame, middle] - rng.uniform(0.25, 0.75, 2) * side
        left, top = at.astype(int).clip(0, np.array([width, height]) - side)
        images.append(clip.images[frame, top : top + side[1], left : left + side[0]])
        places.append(clip.positions[frame, both] - np.array([left, top], np.float32))
    inside = np.all([(p > 4) & (p < side - 5) for p in places], axis=(0, 2))
    if inside.sum() < FEWEST:
        return None
    shown = list(vary(np.stack(images), rng))
    if rng.random() < 0.5:
        shown = [vary(image[None], rng)[0] for image in shown]
    places = [p[inside] for p in places]
    for axis in (0, 1):
        if rng.random() < 0.5:
            shown = [np.flip(image, 1 - axis) for image in shown]
            for p in places:
                p[:, axis] = side[axis] - 1 - p[:, axis]
    return shown, [torch.from_numpy(p) for p in places]
