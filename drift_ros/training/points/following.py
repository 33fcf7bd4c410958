"""The second part: the tracker follows points, and the network learns what was true."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.optim import AdamW

from drift_ros.descriptors import Descriptors
from drift_ros.features.colour import add_colours
from drift_ros.points.follower import PointFollower
from drift_ros.points.judging import Judge, Memory, Seen
from drift_ros.points.network import WITHIN, PointNetwork, Verdict
from drift_ros.settings import TrackerSettings
from drift_ros.structures import Frame
from drift_ros.tracking.window_buffer import BufferedFrame
from drift_ros.training.points.pairs import MAPS
from drift_ros.training.points.settings import PointTraining
from drift_ros.training.points.videos import PERIOD, VideosByNumber, vary

KEPT, SHARE, POINTS = 2000, 0.4, 96  # verdicts to learn from, share that is kept, points of each
LEAST, BATCH = 60, 8  # of them, before the first step, and per step, one for each frame
DECAY = 0.998  # of the mean of the weights, per step
RULED = 25  # videos after which nothing but the network decides where points are
BACK = 0.05  # share of the visible points that are brought back near their true place in a frame
SPREAD = (1.0, 5.0)  # px from it, one as often as the other
FAR = 8.0  # px of the raster from the truth beyond which no offset is learned
LATE = 3  # frames other than the first from which points start
RASTER = 256  # px of a side on which errors are measured
MARGIN = 40  # px beyond the image to which places are to be judged


class Following:
    """The second part: trains everything but what makes maps.

    Attributes:
        average: mean of the weights over the newest steps; empty before the first.
    """

    warm_up, watched = 4, 10

    def __init__(
        self, network: PointNetwork, settings: PointTraining, videos: VideosByNumber
    ) -> None:
        self._network, self._settings, self._videos = network, settings, videos
        self._parameters = [p for n, p in network.named_parameters() if n.split('.')[0] not in MAPS]
        self.optimizer = AdamW(
            self._parameters, settings.rate, betas=(0.9, 0.98), weight_decay=1e-3
        )
        self._lessons: deque[Lesson] = deque(maxlen=KEPT)
        self.average: dict[str, Tensor] = {}

    def step(self, number: int) -> dict[str, float]:
        """Steps along a video."""
        settings = self._settings
        rng = np.random.default_rng([settings.seed, 3, number])
        torch.manual_seed(settings.seed * 2**31 + number)
        clip = self._videos[int(rng.integers(settings.videos))]
        first = int(rng.integers(1, 10)) if rng.random() < 0.4 and len(clip.images) > 12 else 0
        for axis in (0, 1):
            if rng.random() < (0.5, 0.3)[axis]:
                clip = clip.mirrored(axis)
        images = vary(clip.images[first:], rng)
        positions, visible = clip.positions[first:], clip.visible[first:]
        rows, frames = _starts(visible, settings.followed, rng)
        judge = _Learner(
            self._network,
            torch.from_numpy(positions[:, rows]),
            torch.from_numpy(visible[:, rows]),
            max(0.0, 1 - number / RULED),
        )
        tracker = TrackerSettings()
        points = tracker.points.model_copy(update={'most': len(rows), 'decision': 'rules'})
        follower = PointFollower(points, (), 2)
        follower.judge = judge
        for index, image in enumerate(images):
            frame = Frame(image, (index + 1) * PERIOD, index=index)
            here = rows[frames == index]
            if len(here):
                follower.add(index, positions[index, here])
            found = Descriptors.of(clip.features[first + index][None].float(), clip.stride)
            shown = torch.from_numpy(image).permute(2, 0, 1)[None]
            found = add_colours(found, shown, tracker.features.colour)
            judge.frame = index
            follower.step(BufferedFrame(frame, index, 0), found)
            for lesson in judge.lessons:
                if rng.random() < SHARE:
                    self._lessons.append(lesson.kept(POINTS))
            judge.lessons.clear()
            if len(self._lessons) >= LEAST:
                chosen = rng.choice(len(self._lessons), BATCH, replace=False)
                self._learn([self._lessons[i] for i in chosen])
        return {key: float(np.mean(values)) for key, values in judge.values.items()}

    def state(self) -> dict[str, Any]:
        """What is needed to go on."""
        return {
            'network': self._network.state_dict(),
            'average': self.average,
            'optimizer': self.optimizer.state_dict(),
        }

    def load(self, state: dict[str, Any]) -> int:
        """Go on from a state; gives the number of videos done."""
        self._network.load_state_dict(state['network'])
        self.average = state['average']
        self.optimizer.load_state_dict(state['optimizer'])
        return int(state['done'])

    def _learn(self, lessons: list[Lesson]) -> None:
        self.optimizer.zero_grad()
        torch.stack([lesson.again(self._network) for lesson in lessons]).mean().backward()
        torch.nn.utils.clip_grad_norm_(self._parameters, 1.0)
        self.optimizer.step()
        for name, now in self._network.state_dict().items():
            mean = self.average.setdefault(name, now.clone())
            mean.lerp_(now, 1 - DECAY)


def _starts(
    visible: NDArray[np.bool_], count: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of points, and the frame in which each starts, rising; most start in the first."""
    length = len(visible)
    late = np.sort(rng.choice(np.arange(1, length * 2 // 3), LATE, replace=False))
    found = []
    for row in rng.permutation(visible.shape[1]):
        order = late if rng.random() < 0.7 else rng.permutation(late)
        starts = [0] if visible[0, row] and rng.random() < 0.75 else order
        frame = next((f for f in starts if visible[f, row]), None)
        if frame is not None:
            found.append((frame, row))
        if len(found) == count:
            break
    frames, rows = np.array(sorted(found, key=lambda pair: pair[0]), np.int64).reshape(-1, 2).T
    return rows, frames


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """What the network was shown, and what is true.

    Attributes:
        shown: maps, looks, places, same, cosines and facts, as `PointNetwork` takes them.
        seen: the image.
        positions: (N, 2) px, true ones.
        visible: (N,) bool.
    """

    shown: tuple[Any, ...]
    seen: Seen
    positions: Tensor
    visible: Tensor

    def loss(self, verdict: Verdict) -> tuple[Tensor, dict[str, float]]:
        """Of what the network said, and mean values to be watched."""
        truth, visible = self.positions, self.visible
        size, ratio = self.seen.size, self.seen.ratio
        places = (self.shown[2] + 0.5) / ratio - 0.5
        known = ~truth.isnan().any(1)
        inside = ((truth > -MARGIN) & (truth < size + MARGIN)).all(1)
        miss = (places + verdict.offsets / ratio - truth[:, None]) * RASTER / size
        miss = torch.where(known[:, None, None], miss, 0)
        error = torch.where(inside[:, None], miss.detach().norm(dim=2), torch.inf)
        within = (error[..., None] <= torch.tensor(WITHIN)).float()
        best = verdict.near.detach().sigmoid().sum(2).argmax(1)
        each = torch.arange(len(best))
        weight = torch.ones_like(error)
        weight[each, best] += 2
        weight /= weight.sum(1, keepdim=True)
        near = functional.binary_cross_entropy_with_logits(verdict.near, within, reduction='none')
        both = functional.binary_cross_entropy_with_logits(
            verdict.seen, within * visible[:, None, None], reduction='none'
        )
        counts = known.float() * torch.where(visible, 1.0, 0.4)
        judged = near.mean(2) * counts[:, None] + both.mean(2)
        before = ((places - truth[:, None]) * RASTER / size).norm(dim=2)
        reach = (before < FAR) & inside[:, None]
        far = (2 * (miss.square().sum(2) + 1e-4).sqrt()).log1p()
        far = torch.where(reach, far, 0) * torch.where(visible, 1.0, 0.1)[:, None]
        parts = [(each * weight).sum(1).mean() for each in (judged, far)]
        ruled = (before[:, 0, None] <= torch.tensor(WITHIN)).float()
        said = verdict.seen.detach()[each, best].sigmoid().mean(1) > 1 / 3
        values = {
            'judging': float(parts[0].detach()),
            'offsets': float(parts[1].detach()),
            'delta': float(within[each, best][visible].mean()),
            'best': float(within.mean(2).amax(1)[visible].mean()),
            'rules': float(ruled[visible].mean()),
            'visibility': float((said == visible).float().mean()),
        }
        return parts[0] + 0.5 * parts[1], values

    def again(self, network: PointNetwork) -> Tensor:
        """Loss of what the network says now."""
        maps, *shown = self.shown
        return self.loss(network(tuple(each.float() for each in maps), *shown))[0]

    def kept(self, count: int) -> Lesson:
        """Of some points, in less memory."""
        maps = tuple(each.half() for each in self.seen.maps)
        rows = torch.randperm(len(self.visible))[:count]
        shown = (maps, *(each[rows] for each in self.shown[1:]))
        seen = replace(self.seen, maps=maps)
        return Lesson(shown, seen, self.positions[rows], self.visible[rows])


class _Learner(Judge):
    """Judges, is told the truth, and keeps the losses and what they are of.

    Args:
        positions: (F, N, 2) px, true ones, by the ids of the points less 1.
        visible: (F, N).
        rules: share of the points whose place is left to the rules.
    """

    def __init__(
        self, network: PointNetwork, positions: Tensor, visible: Tensor, rules: float
    ) -> None:
        super().__init__(network)
        self._positions, self._visible, self._rules = positions, visible, rules
        self.frame = 0
        self.lessons: list[Lesson] = []
        self.values: dict[str, list[float]] = {}

    def answer(self, ids: Tensor, seen: Seen, *shown: Tensor) -> Verdict:
        """See `Judge`."""
        verdict = super().answer(ids, seen, *shown)
        truth, visible = self._truth(ids)
        lesson = Lesson((seen.maps, *shown), seen, truth, visible)
        values = lesson.loss(verdict)[1]
        self.lessons.append(lesson)
        for key, value in values.items():
            if math.isfinite(value):  # there may be no visible point
                self.values.setdefault(key, []).append(value)
        return verdict

    def go_on(
        self,
        memory: Memory,
        seen: Seen,
        before: Tensor,
        places: Tensor,
        positions: Tensor,
        judged: Tensor,
    ) -> tuple[Tensor, Memory]:
        """See `Judge`; some points go on from elsewhere."""
        with torch.no_grad():
            truth, visible = self._truth(memory.ids)
            ruled = (torch.rand(len(truth)) < self._rules)[:, None]
            positions = torch.where(ruled, places[:, 0], positions)
            if self._rules > 0.5:  # nothing is known yet
                judged = torch.where(ruled, 0.5, judged)
            back = (torch.rand(len(truth)) < BACK) & visible
            spread = torch.where(torch.rand(len(truth)) < 0.5, *SPREAD)[:, None]
            placed = truth + spread * torch.randn_like(truth)
            positions = torch.where(back[:, None], placed, positions)
            return super().go_on(memory, seen, before, places, positions, judged)

    def _truth(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        return self._positions[self.frame, ids - 1], self._visible[self.frame, ids - 1]
