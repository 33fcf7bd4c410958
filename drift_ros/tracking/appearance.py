"""How targets looked: how sure a mask is, and where a target is that was out of sight."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from drift_ros.descriptors import Descriptors
from drift_ros.propagation import unit
from drift_ros.settings import TargetSettings
from drift_ros.structures import TargetState, TrackedObject
from drift_ros.tracking import confidence
from drift_ros.tracking.anchors import Anchor, match, owned, search
from drift_ros.tracking.states import Track

EVERY = 5  # frames from one last certain view to the next
AGREED = 0.5  # share of a mask that looks like the target, from which on it is believed
CERTAIN = 0.8  # score from which on a view is certain
DEVIATIONS = 3.0  # of its predicted place, within which an occluded target is searched
PARTLY = (0.4, 1.3)  # sizes that are taken near the predicted place
CLEAR = 0.1  # by how much |log| of the ratio of areas must be smaller than for a rival
SEARCHED = {
    'none': (),
    'near': (TargetState.OCCLUDED,),
    'anywhere': (TargetState.OCCLUDED, TargetState.LOST),
}

Labels = NDArray[np.uint8]


class Appearance:
    """Two anchors per target: the frame that it was prompted on, and the last one in which all of
    it was seen for certain.

    Args:
        extractor: name of the one that describes frames.
        settings: where targets are searched.
    """

    def __init__(self, extractor: str, settings: TargetSettings) -> None:
        self._extractor = extractor
        self._settings = settings
        self.reset()

    def update(self, settings: TargetSettings) -> None:
        """Take over changed settings."""
        self._settings = settings

    def reset(self) -> None:
        """Forget all targets."""
        self._given: dict[int, Anchor] = {}
        self._last: dict[int, Anchor] = {}

    def keep(self, ids: Collection[int]) -> None:
        """Forget the targets that are not among these."""
        for anchors in (self._given, self._last):
            for target in anchors.keys() - set(ids):
                del anchors[target]

    def go_back_to(self, number: int) -> None:
        """Forget what was seen from this frame number on."""
        for anchors in (self._given, self._last):
            for target in [t for t, anchor in anchors.items() if anchor.number >= number]:
                del anchors[target]

    def judge(
        self, descriptors: Descriptors, labels: Labels, obj: TrackedObject
    ) -> tuple[float, bool]:
        """How sure the mask of a target is, and whether it is believed.

        Args:
            descriptors: of the frame (n = 1).
            labels: (H, W) ids.
            obj: the target, with a mask, and with its mean soft label as score.

        Returns:
            The score in [0, 1] (see `confidence.score`); not believed is a mask with a lower one
            than `targets.min_score` of which less than half looks like the target.
        """
        anchors = self._anchors(obj.id)
        if not anchors:
            return obj.score, True
        mask = owned(_shares(labels == obj.id, descriptors))
        features, area = _features(descriptors), float(mask.sum())
        found = [match(features, mask, anchor) for anchor in anchors]
        forward, backward = (max(shares) for shares in zip(*found, strict=True))
        change = min(anchor.change(area) for anchor in anchors)
        score = confidence.score(self._extractor, obj.score, forward, backward, change)
        return score, score >= self._settings.min_score or min(forward, backward) >= AGREED

    def observe(
        self,
        number: int,
        descriptors: Descriptors,
        labels: Labels,
        objects: Sequence[TrackedObject],
        prompted: Collection[int],
    ) -> None:
        """Remember how targets look in a frame in which they were prompted, or are certain.

        Args:
            number: of the frame.
            descriptors: of the frame (n = 1).
            labels: (H, W) ids.
            objects: every target, with its score.
            prompted: ids of those that were given in this frame.
        """
        features: Tensor | None = None
        for obj in objects:
            given = obj.id in prompted
            if given:
                self._given.pop(obj.id, None)
                self._last.pop(obj.id, None)
            if obj.visible and (given or (number % EVERY == 0 and _certain(obj, labels))):
                features = _features(descriptors) if features is None else features
                anchor = Anchor.of(
                    number,
                    features,
                    _shares(labels == obj.id, descriptors),
                    _shares(labels > 0, descriptors),
                )
                (self._given if given else self._last)[obj.id] = anchor

    def reacquire(
        self,
        number: int,
        descriptors: Descriptors,
        soft: Tensor,
        slots: Mapping[int, int],
        expected: Mapping[int, Track],
        size: tuple[int, int],
        alike: Tensor | None,
    ) -> Tensor:
        """Search a target that had no mask in the frame before; if there are several, they take
        turns.

        Args:
            number: of the frame.
            descriptors: of the frame (n = 1).
            soft: (K, h, w) soft labels; those of the target stay below 0.5.
            slots: id -> its channel.
            expected: id -> what is expected of each target in this frame.
            size: (H, W) of the frame in px.
            alike: (K, K) bool, which targets could be taken for each other; None if there is one.

        Returns:
            (K, h, w) soft labels with the target if it was found; `soft` itself otherwise.
        """
        wanted = SEARCHED[self._settings.reacquire]
        missing = [
            target
            for target, track in expected.items()
            if track.state in wanted
            and self._anchors(target)
            and float(soft[slots[target]].max()) < 0.5
        ]
        if not missing:
            return soft
        target = missing[number % len(missing)]
        slot, track = slots[target], expected[target]
        free = soft[1:].sum(0) - soft[slot] < 0.5
        if track.state == TargetState.OCCLUDED:
            free &= _around(track, size, soft)
        largest = self._settings.max_size_change
        sizes = PARTLY if track.state == TargetState.OCCLUDED else (1 / largest, largest)
        label = search(_features(descriptors), self._anchors(target), free, *sizes)
        rivals = [
            other
            for other in missing
            if other != target and alike is not None and alike[slots[other], slot]
        ]
        lost = track.state == TargetState.LOST
        if label is None or ((lost or rivals) and not _whole(label > 0.5)):
            return soft
        if not self._fits_best(float((label > 0.5).sum()), target, rivals):
            return soft
        soft = soft * (1 - label)
        soft[slot] += label
        return soft

    def _fits_best(self, area: float, target: int, rivals: Sequence[int]) -> bool:
        """Whether an area in cells is clearly that of a target, and not of those that look the same
        and are missing, too.
        """
        change, *others = (
            min(anchor.change(area) for anchor in self._anchors(each)) for each in (target, *rivals)
        )
        return change + CLEAR < min(others, default=math.inf)

    def _anchors(self, target: int) -> list[Anchor]:
        return [anchors[target] for anchors in (self._given, self._last) if target in anchors]


def _features(descriptors: Descriptors) -> Tensor:
    """(C, h, w) what anchors are made of: keys of unit length, of the first head if there are
    several, on the grid of labels.
    """
    features = descriptors.keys[0]
    if features.shape[2:] != descriptors.grid:
        features = functional.interpolate(features, descriptors.grid)
    return unit(features[0].float(), 0)


def _shares(mask: NDArray[np.bool_], descriptors: Descriptors) -> Tensor:
    """(h, w) float32, the share of each cell that a mask (H, W) covers."""
    height, width = descriptors.grid
    pixels = mask.astype(np.float32)  # so that a single pixel is not rounded away
    share = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    return torch.from_numpy(share).to(descriptors.keys[0].device)


def _certain(obj: TrackedObject, labels: Labels) -> bool:
    """Whether all of a target is seen, as far as the image's border goes, and for certain."""
    roi, (height, width) = obj.roi, labels.shape
    inside = roi.x > 0 and roi.y > 0 and roi.x + roi.width < width and roi.y + roi.height < height
    return inside and obj.score >= CERTAIN


def _whole(mask: Tensor) -> bool:
    """Whether a mask (h, w) ends before the border."""
    return not bool(torch.cat([mask[0], mask[-1], mask[:, 0], mask[:, -1]]).any())


def _around(track: Track, size: tuple[int, int], like: Tensor) -> Tensor:
    """(h, w) bool, the cells about the predicted place that a target may reach."""
    motion = track.motion
    reach = DEVIATIONS * motion.deviation + max(track.extent)
    near = []
    for axis, cells in ((1, like.shape[1]), (0, like.shape[2])):
        scale = size[1 - axis] / cells
        middles = (torch.arange(cells, device=like.device) + 0.5) * scale - 0.5
        near.append((middles - float(motion.place[axis])).abs() <= reach)
    return near[0][:, None] & near[1][None, :]
