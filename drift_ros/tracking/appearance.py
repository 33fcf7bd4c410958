"""How targets looked: how sure a mask is, and where a target is that was out of sight."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drift_ros.descriptors import Descriptors
from drift_ros.recognition import Recognizer
from drift_ros.settings import TargetSettings
from drift_ros.structures import TargetState, TrackedObject
from drift_ros.tracking import confidence
from drift_ros.tracking.anchors import EMPTY, Anchor, Match, match, owned, unit_features
from drift_ros.tracking.bystanders import Bystanders
from drift_ros.tracking.reach import within_reach
from drift_ros.tracking.recognition import Image, Place, Recognition
from drift_ros.tracking.search import Point, search
from drift_ros.tracking.states import Track
from drift_ros.tracking.suspects import REACH, Suspect, change, follow, identify

EVERY = 5  # frames from one last certain view to the next
AGREED = 0.5  # share of a mask that looks like the target; believed without a probability
CERTAIN = 0.8  # score from which on a view is certain
HARDLY = 0.1  # score below which a mask is hardly ever right, where pixels do not object
ACTED_ON = 0.5  # score below which a target is searched although it has a mask
LOOKS = 2  # places of a frame at most that are looked at
SCALES = 0.05  # by how much |log| of the scale must be smaller than for a rival

Labels = NDArray[np.uint8]


class Judgement(NamedTuple):
    """What is thought of a mask.

    Attributes:
        score: in [0, 1], see `confidence.score`.
        believed: whether it may count as the target.
        refuted: whether it cannot.
    """

    score: float
    believed: bool = True
    refuted: bool = False


class Appearance:
    """Two anchors per target: the frame that it was prompted on, and the last one in which all of
    it was seen for certain.

    Args:
        extractor: name of the one that describes frames.
        settings: where targets are searched.
        recognizer: tells a lost target from what is not it.

    Attributes:
        found: the target that the last search found, if it did.
    """

    def __init__(self, extractor: str, settings: TargetSettings, recognizer: Recognizer) -> None:
        self._extractor = extractor
        self._calibrated = extractor in confidence.CALIBRATIONS  # else scores have no scale
        self._recognition = Recognition(recognizer)
        self._settings = settings
        self.reset()

    def update(self, settings: TargetSettings) -> None:
        """Take over changed settings."""
        self._settings = settings

    def reset(self) -> None:
        """Forget all targets."""
        self.found: int | None = None
        self._described: tuple[Descriptors, Tensor] | None = None  # features of the last frame
        self._given: dict[int, Anchor] = {}
        self._last: dict[int, Anchor] = {}
        self._suspects: dict[int, list[Suspect]] = {}
        self._bystanders = Bystanders()

    def keep(self, ids: Collection[int]) -> None:
        """Forget the targets that are not among these."""
        for known in (self._given, self._last, self._suspects):
            for target in known.keys() - set(ids):
                del known[target]
        self._bystanders.keep(ids)

    def go_back_to(self, number: int) -> None:
        """Forget what was seen from this frame number on."""
        for anchors in (self._given, self._last):
            for target in [t for t, anchor in anchors.items() if anchor.number >= number]:
                del anchors[target]
        self._suspects.clear()
        self._bystanders.reset()

    def judge(
        self, image: Image, descriptors: Descriptors, labels: Labels, obj: TrackedObject
    ) -> Judgement:
        """How sure the mask of a target is.

        Args:
            image: (H, W, 3) the frame.
            descriptors: of the frame (n = 1).
            labels: (H, W) ids.
            obj: the target, with a mask, and with its mean soft label as score.

        Returns:
            Not believed is a mask with a lower score than `targets.min_score`, and where scores are
            no probabilities, if less than half of it looks like the target, too. Where they are,
            it is refuted by one below 0.1, if its pixels do not look like the target either.
        """
        if not self._anchors(obj.id):
            return Judgement(obj.score)
        shares = _shares(labels == obj.id, descriptors)
        score, agreed = self._evidence(obj.id, self.features(descriptors), shares, obj.score)
        agreed_upon = not self._calibrated and agreed >= AGREED
        believed = score >= self._settings.min_score or agreed_upon
        refuted = self._calibrated and not believed and score < HARDLY
        if refuted:
            roi = obj.roi
            middle = roi.x + roi.width / 2, roi.y + roi.height / 2
            refuted = self._recognition.denies(middle, self._anchors(obj.id), image)
        return Judgement(score, believed, refuted)

    def observe(
        self,
        number: int,
        image: Image,
        descriptors: Descriptors,
        labels: Labels,
        objects: Sequence[TrackedObject],
        prompted: Collection[int],
    ) -> None:
        """Remember how targets look in a frame in which they were prompted, or are certain, and
        what looks like them beside them.

        Args:
            number: of the frame.
            image: (H, W, 3) it.
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
            if obj.visible and (number + obj.id) % EVERY == 0 and obj.score >= CERTAIN:
                self._watch(number, descriptors, labels, obj)
            if obj.visible and (given or (number % EVERY == 0 and _inside(obj, labels))):
                shares = _shares(labels == obj.id, descriptors)
                if not given and not self._is_certain(obj, float(shares.sum())):
                    continue
                features = self.features(descriptors) if features is None else features
                anchor = Anchor.of(number, features, shares, _shares(labels > 0, descriptors))
                (self._given if given else self._last)[obj.id] = anchor
                self._recognition.remember(anchor, image, labels == obj.id)

    def _watch(
        self, number: int, descriptors: Descriptors, labels: Labels, obj: TrackedObject
    ) -> None:
        """Look what resembles a target that is in sight, and cannot be a part of it."""
        anchors = self._anchors(obj.id)
        if self._settings.reacquire == 'none' or not anchors:
            return
        taken = _shares(labels > 0, descriptors)
        cell = labels.shape[0] / taken.shape[0]  # px
        rows, columns = (torch.arange(length, device=taken.device) for length in taken.shape)
        (x, y), apart = obj.centroid, max(obj.roi.width, obj.roi.height)
        away = torch.hypot(
            (cell * (rows + 0.5) - 0.5 - y)[:, None], (cell * (columns + 0.5) - 0.5 - x)[None]
        )
        free = (taken < EMPTY) & (away > apart)
        found = search(self.features(descriptors), anchors, free).candidates
        self._bystanders.watch(obj.id, number, found, self._side(obj.id))

    def _is_certain(self, obj: TrackedObject, area: float) -> bool:
        """Whether a view of an area in cells shows a target for certain, and not a part of it that
        something in front leaves free.
        """
        most = math.log(self._settings.max_size_change)
        areas = self._areas(obj.id)
        return obj.score >= CERTAIN and bool(areas) and change(area, areas) <= most

    def reacquire(
        self,
        number: int,
        image: Image,
        descriptors: Descriptors,
        soft: Tensor,
        slots: Mapping[int, int],
        expected: Mapping[int, Track],
        alike: Tensor | None,
    ) -> Tensor:
        """Search a target that had no mask in the frame before, or a weak one; if there are
        several, they take turns. A lost target that may be anywhere is back where it is found so,
        and not where labels are propagated to: those reach a twin as well, whatever its size.

        Args:
            number: of the frame.
            image: (H, W, 3) it.
            descriptors: of the frame (n = 1).
            soft: (K, h, w) soft labels.
            slots: id -> its channel.
            expected: id -> what is expected of each target in this frame.
            alike: (K, K) bool, which targets could be taken for each other; None if there is one.

        Returns:
            (K, h, w) soft labels with the target if it was found, and without the lost ones that
            were not; `soft` itself if nothing changes.
        """
        self.found = None
        wanted = [t for t, track in expected.items() if self._is_wanted(t, track)]
        self._suspects = {t: seen for t, seen in self._suspects.items() if t in wanted}
        if not wanted:
            return soft
        if lost := [t for t in wanted if self._only_searched(t, expected)]:
            soft = _without(soft, [slots[t] for t in lost])
        target = wanted[number % len(wanted)]
        slot, track = slots[target], expected[target]
        rivals = [
            other
            for other in wanted
            if other != target and alike is not None and alike[slots[other], slot]
        ]
        free = soft[1:].sum(0) - soft[slot] < 0.5
        features = self.features(descriptors)
        found = self._candidates(target, features, free)
        found = self._bystanders.others(target, number, found, self._side(target))
        places = self._look(target, found, image, free)
        place = self._near(number, image, target, track, rivals, places, soft[slot])
        if place is None and self._settings.reacquire == 'anywhere':
            place = self._anywhere(number, image, target, track, rivals, places, soft[slot])
        if place is None:
            return soft
        self.found = target
        beside = [each.middle for each in places if each is not place]
        self._bystanders.watch(target, number, beside, self._side(target))
        soft = _without(soft, [slot])  # what it has elsewhere is not it
        soft *= 1 - place.label
        soft[slot] = place.label
        return soft

    def needs_no_labels(self, ids: Collection[int], expected: Mapping[int, Track]) -> bool:
        """Whether `reacquire` drops the labels of all targets with these ids."""
        return all(self._only_searched(target, expected) for target in ids)

    def _only_searched(self, target: int, expected: Mapping[int, Track]) -> bool:
        """Whether a target is lost, and back only where it is found."""
        track = expected.get(target)
        lost = track is not None and track.state == TargetState.LOST
        return lost and self._settings.reacquire == 'anywhere' and bool(self._anchors(target))

    def _is_wanted(self, target: int, track: Track) -> bool:
        """Whether a target is searched: it has no mask, or one that says little."""
        if not self._anchors(target):
            return False
        if track.state == TargetState.OCCLUDED:
            return self._settings.reacquire != 'none'
        weak = self._calibrated and track.score < ACTED_ON
        lost = track.state == TargetState.LOST
        return (lost or weak) and self._settings.reacquire == 'anywhere'

    def _near(
        self,
        number: int,
        image: Image,
        target: int,
        track: Track,
        rivals: Sequence[int],
        places: Sequence[Place],
        label: Tensor,
    ) -> Place | None:
        """The place of an occluded target where it must be, if that is clear."""
        if track.state != TargetState.OCCLUDED or float(label.max()) >= 0.5:
            return None
        near = within_reach(track, (image.shape[0], image.shape[1]), label.shape)
        suspects = [
            Suspect.first(place, number)
            for place in places
            if near[tuple(map(round, place.middle))]
        ]
        best = identify(suspects, number, self._settings.max_size_change, expected=True)
        return best.place if best and self._is_it(best, rivals, image) else None

    def _candidates(self, target: int, features: Tensor, free: Tensor) -> list[Point]:
        """What resembles a target, and the likeliest place beside it if that is little."""
        found, likeliest = search(features, self._anchors(target), free)
        if likeliest is None or len(found) >= LOOKS:
            return found
        apart = REACH * self._side(target)
        beside = all(math.dist(likeliest, each) > apart for each in found)
        return [*found, likeliest] if beside else found

    def _look(self, target: int, found: Sequence[Point], image: Image, free: Tensor) -> list[Place]:
        """Of what resembles a target most, what shows it."""
        anchors = self._anchors(target)
        looks = (self._recognition.look(at, anchors, image, free) for at in found[:LOOKS])
        return [look for look in looks if look]

    def _anywhere(
        self,
        number: int,
        image: Image,
        target: int,
        track: Track,
        rivals: Sequence[int],
        places: Sequence[Place],
        label: Tensor,
    ) -> Place | None:
        """The place of a target that may be anywhere, if that is clear. A mask that it has, or that
        propagation gives it now, is left for another place only if that was seen several times.
        """
        suspects = follow(self._suspects.get(target, ()), places, number)
        self._suspects[target] = suspects
        best = identify(suspects, number, self._settings.max_size_change)
        if best is None or not self._is_it(best, rivals, image):
            return None
        if track.state == TargetState.VISIBLE:
            there = bool(((best.place.label > 0.5) & (label > 0.5)).any())
            return best.place if best.lasting and not there else None
        return best.place

    def _is_it(self, suspect: Suspect, rivals: Sequence[int], image: Image) -> bool:
        """Whether a suspect has the size of its target rather than that of those that look the
        same and are missing, too.
        """
        place = suspect.place
        grid = (place.label.shape[0], place.label.shape[1])
        scales = [
            abs(self._recognition.scale(place.middle, self._anchors(rival), image, grid))
            for rival in rivals
        ]
        return not scales or abs(suspect.scale) + SCALES < min(scales)

    def _evidence(
        self, target: int, features: Tensor, shares: Tensor, soft: float
    ) -> tuple[float, float]:
        """The score of a mask, and the smaller of the two shares in which it and the target match.

        Args:
            features: (C, h, w) unit descriptors of the frame.
            shares: (h, w) the share of each cell that the mask has, somewhere above 0.
            soft: mean soft label of it.
        """
        anchors, mask, area = self._anchors(target), owned(shares), float(shares.sum())
        found = [match(features, mask, anchor) for anchor in anchors]
        best = Match(*(max(each) for each in zip(*found, strict=True)))
        return self._score(target, soft, best, area), min(best)

    def _score(self, target: int, soft: float, agreed: Match, area: float) -> float:
        changed = min(anchor.change(area) for anchor in self._anchors(target))
        return confidence.score(self._extractor, soft, agreed.forward, agreed.backward, changed)

    def features(self, descriptors: Descriptors) -> Tensor:
        """(C, h, w) float32 what anchors are made of: keys of unit length, of the first head if
        there are several, on the grid of labels. They are made once per frame.
        """
        if self._described is None or self._described[0] is not descriptors:
            self._described = (descriptors, unit_features(descriptors))
        return self._described[1]

    def _side(self, target: int) -> float:
        """Square root of a target's area in cells."""
        return math.sqrt(max(self._areas(target)))

    def _areas(self, target: int) -> list[float]:
        return [anchor.area for anchor in self._anchors(target)]

    def _anchors(self, target: int) -> list[Anchor]:
        return [anchors[target] for anchors in (self._given, self._last) if target in anchors]


def _shares(mask: NDArray[np.bool_], descriptors: Descriptors) -> Tensor:
    """(h, w) float32, the share of each cell that a mask (H, W) covers."""
    height, width = descriptors.grid
    pixels = mask.astype(np.float32)  # so that a single pixel is not rounded away
    share = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    return torch.from_numpy(share).to(descriptors.keys[0].device)


def _inside(obj: TrackedObject, labels: Labels) -> bool:
    """Whether a mask ends before the image's border."""
    roi, (height, width) = obj.roi, labels.shape
    return roi.x > 0 and roi.y > 0 and roi.x + roi.width < width and roi.y + roi.height < height


def _without(soft: Tensor, slots: Sequence[int]) -> Tensor:
    """Soft labels (K, h, w) of which those in some channels are background."""
    soft = soft.clone()
    soft[0] += soft[slots].sum(0)
    soft[slots] = 0
    return soft
