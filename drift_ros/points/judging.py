"""Where points are, of several places at which they may be, by a network that was trained on
rendered tracks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from drift_ros import resources
from drift_ros.errors import CheckpointError
from drift_ros.points.network import COSINES, LOOKS, WITHIN, Maps, PointNetwork, Verdict

Image = NDArray[np.uint8]
Measure = Callable[[Tensor], Tensor]

WEIGHTS = 'points/points.safetensors'  # among the package's resources
SIDE = 480  # px of the short side to which larger images are brought
# where the rules, motion, the flow, the speed, descriptors and the look of the query lead
PLACES = 6
TOGETHER = 0.5  # px within which places are looked at as one
KNOWN = 6  # facts that `judge` is given about each point
FACTS = PLACES + PLACES + 2 + 2 + 1 + 2 + KNOWN + 2 * len(WITHIN) + 1
SURE = 2  # number in WITHIN: a point that is seen so near is remembered
VISIBLE = 1 / 3  # mean probability of being seen within each of WITHIN: a confidence of 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """What is remembered of N points.

    Attributes:
        ids: (N,) int64.
        looks: (N, 2, L, 9, C) at the query, and where they were last seen for sure.
        before: (N, 2) px, where they were a frame earlier.
        judged: (N, 10) probabilities of the newest verdict: near and seen within each of `WITHIN`.
        unseen: (N,) frames since they were seen for sure.
        age: (N,) frames since the query.
    """

    ids: Tensor
    looks: Tensor
    before: Tensor
    judged: Tensor
    unseen: Tensor
    age: Tensor

    def __getitem__(self, rows: Tensor | slice) -> Memory:
        return Memory(*(getattr(self, each.name)[rows] for each in fields(self)))

    @classmethod
    def concatenate(cls, parts: Sequence[Memory]) -> Memory:
        """Of several groups of points."""
        if len(parts) == 1:
            return parts[0]
        return cls(*(torch.cat([getattr(p, f.name) for p in parts]) for f in fields(cls)))

    @property
    def confidence(self) -> Tensor:
        """(N,) 0 to 1, that the point is visible and where it is said to be."""
        mean = self.judged[:, len(WITHIN) :].mean(1)
        high = (mean - VISIBLE) / (1 - VISIBLE)
        return torch.where(mean < VISIBLE, 0.5 * mean / VISIBLE, 0.5 + 0.5 * high)

    @property
    def sure(self) -> Tensor:
        """(N,) bool, which were just seen for sure."""
        return self.judged[:, len(WITHIN) + SURE] >= 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """An image as the network sees it.

    Attributes:
        maps: of the network.
        ratio: (2,) px that the network sees per px of the image.
        size: (W, H) of the image in px.
    """

    maps: Maps
    ratio: Tensor
    size: Tensor

    def scaled(self, places: Tensor) -> Tensor:
        """Places (..., 2) in px of the image, in px of what the network sees."""
        return (places + 0.5) * self.ratio - 0.5


class Judge:
    """Says where points are.

    Args:
        network: the one that is asked.
    """

    def __init__(self, network: PointNetwork) -> None:
        self.network = network

    @classmethod
    def load(cls, chosen: str) -> Judge:
        """With weights that were trained before.

        Args:
            chosen: file of `drift train-points`; empty for the weights that come with the package.

        Raises:
            CheckpointError: they are missing, damaged, or of another network.
        """
        path = Path(chosen).expanduser() if chosen else resources.path('resource', WEIGHTS)
        network = PointNetwork(PLACES, FACTS)
        try:
            network.load_state_dict(load_file(path))
        except (SafetensorError, RuntimeError, OSError) as error:
            reason = 'of another network' if isinstance(error, RuntimeError) else error
            raise CheckpointError(
                f'{path} does not hold weights for points ({reason}): give a points.safetensors of '
                '`drift train-points` as points.checkpoint, or leave it empty for the weights that '
                'come with the package'
            ) from None
        return cls(network.eval())

    def look(self, image: Image, device: torch.device) -> Seen:
        """At an image (H, W, 3) uint8 RGB; everything is then on this device."""
        height, width = image.shape[:2]
        scale = min(height, width) / SIDE
        if scale > 1:
            size = (round(width / scale), round(height / scale))
            image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
        self.network.to(device)
        whole = torch.tensor([width, height], device=device)
        part = torch.tensor([image.shape[1], image.shape[0]], device=device)
        shown = torch.from_numpy(np.ascontiguousarray(image)).to(device)
        return Seen(self.network.maps(shown), part / whole, whole)

    def begin(self, seen: Seen, positions: Tensor, ids: Tensor) -> Memory:
        """Of points at positions (N, 2) in px of the image of their query, which are visible."""
        looks = self.network.looks(seen.maps, seen.scaled(positions))
        none = torch.zeros(len(ids), device=positions.device)
        return Memory(
            ids,
            looks[:, None].expand(-1, LOOKS, -1, -1, -1),
            positions,
            torch.ones(len(ids), 2 * len(WITHIN), device=positions.device),
            none,
            none,
        )

    def judge(
        self,
        memory: Memory,
        seen: Seen,
        before: Tensor,
        places: Tensor,
        cosines: Measure,
        misfits: Measure,
        known: Tensor,
    ) -> tuple[Tensor, Memory]:
        """Choose among places, and remember.

        Args:
            memory: after the frame before.
            seen: the image.
            before: (N, 2) px, where points were in the frame before.
            places: (N, `PLACES` - 1, 2) px; the look of the query finds one more.
            cosines: gives (N, k, 25) of what is sought with what is around places (N, k, 2) in px.
            misfits: gives (N, k) grey levels by which the image there is not that of the query.
            known: (N, `KNOWN`) more facts.

        Returns:
            (N, 2) px, and what is remembered.
        """
        sought = self.network.recall(seen.maps, memory.looks, seen.scaled(places[:, 2]))
        sought = (sought + 0.5) / seen.ratio - 0.5
        places = torch.cat([places, sought[:, None]], 1)
        aged = torch.stack([memory.age, memory.unseen], 1).log1p() / 3
        shared = torch.cat([aged, known, memory.judged], 1)
        apart = (places[:, :, None] - places[:, None]).norm(dim=3)
        same = (apart < TOGETHER).int().argmax(2)  # the first of them
        at = places.gather(1, same[..., None].expand_as(places))
        verdict = self.answer(
            memory.ids,
            seen,
            memory.looks,
            seen.scaled(at),
            same,
            cosines(at),
            _facts(memory, seen, before, at, places, misfits(at), shared),
        )
        rows = torch.arange(len(at), device=at.device)
        best = verdict.near.sigmoid().sum(2).argmax(1)
        positions = at[rows, best] + verdict.offsets[rows, best] / seen.ratio
        judged = torch.cat([verdict.near[rows, best], verdict.seen[rows, best]], 1).sigmoid()
        return self.go_on(memory, seen, before, places, positions, judged)

    def agree(
        self, memory: Memory, seen: Seen, before: Tensor, positions: Tensor
    ) -> tuple[Tensor, Memory]:
        """Remember points that are seen for sure at positions (N, 2) px without being judged, and
        were at `before` (N, 2) px.
        """
        judged = torch.ones_like(memory.judged)
        return positions, self.remember(memory, seen, before, positions, judged)

    def answer(self, ids: Tensor, seen: Seen, *shown: Tensor) -> Verdict:
        """What the network says."""
        verdict: Verdict = self.network(seen.maps, *shown)
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
        """Take over the verdict (N, 10) on positions (N, 2), which were chosen among places."""
        return positions, self.remember(memory, seen, before, positions, judged)

    def remember(
        self, memory: Memory, seen: Seen, before: Tensor, positions: Tensor, judged: Tensor
    ) -> Memory:
        """What is known after an image in which points are at positions (N, 2)."""
        found = Memory(memory.ids, memory.looks, before, judged, memory.unseen + 1, memory.age + 1)
        looks = self.network.looks(seen.maps, seen.scaled(positions))
        newest = torch.where(found.sure[:, None, None, None], looks, memory.looks[:, 1])
        return replace(
            found,
            looks=torch.stack([memory.looks[:, 0], newest], 1),
            unseen=torch.where(found.sure, 0.0, found.unseen),
        )


def _facts(
    memory: Memory,
    seen: Seen,
    before: Tensor,
    at: Tensor,
    places: Tensor,
    misfits: Tensor,
    shared: Tensor,
) -> Tensor:
    """(N, K, `FACTS`) about places (N, K, 2), which are looked at where others (N, K, 2) are."""
    scaled, start, earlier = (seen.scaled(each) for each in (at, before, memory.before))
    apart = ((at[:, :, None] - places[:, None]) * seen.ratio).norm(dim=3)
    border = torch.minimum(scaled + 0.5, seen.size * seen.ratio - 0.5 - scaled)
    step = scaled - start[:, None]
    facts = [
        torch.eye(PLACES, device=at.device).expand(len(at), -1, -1),
        apart.log1p() / 3,
        (step / 16).clamp(-3, 3),
        ((step - (start - earlier)[:, None]) / 8).clamp(-3, 3),
        (border.amin(2, keepdim=True) / 16).clamp(-2, 2),
        shared[:, None].expand(-1, PLACES, -1),
        (misfits[..., None] / 20).clamp(max=3),
    ]
    return torch.cat(facts, 2)


def cosines_around(cosines: Tensor, cells: Tensor) -> Tensor:
    """(N, k, 25) of cosines (N, h, w) at and around cells (N, k, 2)."""
    side = torch.arange(-COSINES, COSINES + 1.0, device=cells.device)
    steps = torch.stack(torch.meshgrid(side, side, indexing='xy'), -1).flatten(0, 1)
    sides = torch.tensor(cosines.shape[:0:-1], device=cells.device)
    points = 2 * (cells[:, :, None] + steps) / (sides - 1).clamp(min=1) - 1
    found = functional.grid_sample(
        cosines[:, None], points, padding_mode='border', align_corners=True
    )
    return found[:, 0]
