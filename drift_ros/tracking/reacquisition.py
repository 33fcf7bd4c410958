"""Where a target is that was out of sight, and whether what is taken for it is it."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drift_ros.descriptors import Descriptors
from drift_ros.settings import TargetSettings
from drift_ros.structures import TargetState, TrackedObject
from drift_ros.tracking.anchors import EMPTY, owned
from drift_ros.tracking.bystanders import Bystanders
from drift_ros.tracking.gallery import Gallery, shares
from drift_ros.tracking.reach import within_reach
from drift_ros.tracking.recognition import Image, Place
from drift_ros.tracking.search import Point, resembling
from drift_ros.tracking.states import Track
from drift_ros.tracking.suspects import CLEARLY, REACH, Suspect, follow, identify, only_one
from drift_ros.tracking.tentative import Tentative
from drift_ros.tracking.verification import Verification

EVERY = 5  # frames from one look at what is beside a target to the next
CERTAIN = 0.8  # score from which on that is looked at
ACTED_ON = 0.5  # score below which a target is searched although it has a mask
LOOKS = 2  # places of a frame at most that are looked at
ELSEWHERE = 4  # frames for which a place that is no target is not looked at again
SAME = 0.5  # sides of a target within which two looks show the same

Labels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class _Sought:
    """A target that is searched in a frame.

    Attributes:
        id: of it.
        number: of the frame.
        image: (H, W, 3) the frame.
        track: what is expected of it.
        rivals: ids of others that look the same and are searched, too.
        label: (h, w) the share of each cell that labels give it.
    """

    id: int
    number: int
    image: Image
    track: Track
    rivals: Sequence[int]
    label: Tensor


class Reacquisition:
    """Searches targets, and doubts what it found.

    Args:
        gallery: how targets looked.
        settings: where targets are searched.
        calibrated: whether scores are probabilities.

    Attributes:
        tentative: targets that may be a twin.
        found: the target that the last search found, if it did.
        instead: id -> number of the frame from which on something else was taken for it, if that is
            so of the one that was found.
    """

    def __init__(self, gallery: Gallery, settings: TargetSettings, calibrated: bool) -> None:
        self._gallery = gallery
        self._settings = settings
        self._calibrated = calibrated
        self.reset()

    def update(self, settings: TargetSettings) -> None:
        """Take over changed settings."""
        self._settings = settings

    def reset(self) -> None:
        """Forget all targets."""
        self.found: int | None = None
        self.instead: Mapping[int, int] = {}
        self._suspects: dict[int, list[Suspect]] = {}
        self._looked: dict[int, list[tuple[Point, int]]] = {}  # at what is no target, and when
        self._verification = Verification()
        self._bystanders = Bystanders()
        self.tentative = Tentative()

    def keep(self, ids: Collection[int]) -> None:
        """Forget the targets that are not among these."""
        self._suspects = {id_: seen for id_, seen in self._suspects.items() if id_ in ids}
        self._looked = {id_: seen for id_, seen in self._looked.items() if id_ in ids}
        self._verification.keep(ids)
        self._bystanders.keep(ids)
        self.tentative.keep(ids)

    def go_back_to(self, number: int) -> None:
        """Forget what is followed from frame to frame, and what was found from this number on."""
        self._suspects.clear()
        self._looked.clear()
        self._verification.reset()
        self._bystanders.reset()
        self.tentative.go_back_to(number)

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
        self.found, self.instead = None, {}
        wanted = [t for t, track in expected.items() if self._is_wanted(t, track)]
        self._suspects = {t: seen for t, seen in self._suspects.items() if t in wanted}
        if not wanted:
            return soft
        if lost := [t for t in wanted if self._only_searched(t, expected)]:
            soft = _without(soft, [slots[t] for t in lost])
        target = wanted[number % len(wanted)]
        slot = slots[target]
        rivals = [
            other
            for other in wanted
            if other != target and alike is not None and alike[slots[other], slot]
        ]
        free = soft[1:].sum(0) - soft[slot] < 0.5
        features = self._gallery.features(descriptors)
        before = self._looked.get(target, ())
        self._looked[target] = [seen for seen in before if number - seen[1] <= ELSEWHERE]
        found = self._candidates(number, target, features, free)
        places = self._look(number, target, found, image, free)
        sought = _Sought(target, number, image, expected[target], rivals, soft[slot])
        place = self._near(sought, places)
        if place is None and self._settings.reacquire == 'anywhere':
            place = self._anywhere(sought, places)
        if place is None:
            return soft
        self.found = target
        beside = [each.middle for each in places if each is not place]
        self.seen_beside(target, number, beside)
        soft = _without(soft, [slot])  # what it has elsewhere is not it
        soft *= 1 - place.label
        soft[slot] = place.label
        return soft

    def seen_beside(self, target: int, number: int, places: Sequence[Point]) -> None:
        """Places look like a target that is not there.

        Args:
            target: its id.
            number: of the frame.
            places: in cells.
        """
        self._bystanders.watch(target, number, places, self._gallery.side(target))

    def mistaken(
        self,
        number: int,
        image: Image,
        descriptors: Descriptors,
        labels: Labels,
        visible: Sequence[int],
    ) -> dict[int, int]:
        """Look again at targets that may be something else, where it is time for that.

        Args:
            number: of the frame.
            image: (H, W, 3) it.
            descriptors: of the frame (n = 1).
            labels: (H, W) ids.
            visible: those that are there.

        Returns:
            Id -> number of the frame from which on something of another size is taken for it.
        """
        found: dict[int, int] = {}
        limit = math.log(self._settings.max_size_change) / 2
        for target in visible:
            if not self._verification.is_due(target, number):
                continue
            shown = shares(labels == target, descriptors)
            row, column = owned(shown).nonzero().float().mean(0).tolist()
            anywhere = torch.ones_like(shown, dtype=torch.bool)
            place = self._gallery.look((row, column), target, image, anywhere)
            since = self._verification.look(target, number, place, limit)
            if since is not None:
                self._bystanders.confuse(target, number, (row, column))
                found[target] = since
        return found

    def observe(
        self,
        number: int,
        descriptors: Descriptors,
        labels: Labels,
        objects: Sequence[TrackedObject],
        prompted: Collection[int],
    ) -> list[int]:
        """Take in a frame, and look what resembles targets in sight beside them.

        Args:
            number: of the frame.
            descriptors: of the frame (n = 1).
            labels: (H, W) ids.
            objects: every target, with its score.
            prompted: ids of those that were given in this frame.

        Returns:
            Ids of targets that were found again and are not yet believed.
        """
        for obj in objects:
            if obj.id in prompted or not obj.visible:
                self._verification.forget(obj.id)
                self.tentative.forget(obj.id)
            elif self._unproved(obj.id):
                continue
            if obj.visible and (number + obj.id) % EVERY == 0 and obj.score >= CERTAIN:
                self._watch(number, descriptors, labels, obj)
        return [obj.id for obj in objects if self._unproved(obj.id)]

    def _unproved(self, target: int) -> bool:
        return target in self.tentative or self._verification.is_open(target)

    def _watch(
        self, number: int, descriptors: Descriptors, labels: Labels, obj: TrackedObject
    ) -> None:
        """Look what resembles a target that is in sight, and cannot be a part of it."""
        anchors = self._gallery.of(obj.id)
        if self._settings.reacquire == 'none' or not anchors:
            return
        taken = shares(labels > 0, descriptors)
        cell = labels.shape[0] / taken.shape[0]  # px
        rows, columns = (torch.arange(length, device=taken.device) for length in taken.shape)
        (x, y), apart = obj.centroid, max(obj.roi.width, obj.roi.height)
        away = torch.hypot(
            (cell * (rows + 0.5) - 0.5 - y)[:, None], (cell * (columns + 0.5) - 0.5 - x)[None]
        )
        free = (taken < EMPTY) & (away > apart)
        features = self._gallery.features(descriptors)
        found = resembling(features, anchors, free, unchanged=True)  # the camera may move later
        self.seen_beside(obj.id, number, found.candidates)

    def needs_no_labels(self, ids: Collection[int], expected: Mapping[int, Track]) -> bool:
        """Whether `reacquire` drops the labels of all targets with these ids."""
        return all(self._only_searched(target, expected) for target in ids)

    def _only_searched(self, target: int, expected: Mapping[int, Track]) -> bool:
        """Whether a target is lost, and back only where it is found."""
        track = expected.get(target)
        lost = track is not None and track.state == TargetState.LOST
        return lost and self._settings.reacquire == 'anywhere' and bool(self._gallery.of(target))

    def _is_wanted(self, target: int, track: Track) -> bool:
        """Whether a target is searched: it has no mask, or one that says little."""
        if not self._gallery.of(target):
            return False
        if track.state == TargetState.OCCLUDED:
            return self._settings.reacquire != 'none'
        weak = target in self.tentative or (self._calibrated and track.score < ACTED_ON)
        lost = track.state == TargetState.LOST
        return (lost or weak) and self._settings.reacquire == 'anywhere'

    def _near(self, sought: _Sought, places: Sequence[Place]) -> Place | None:
        """The place of an occluded target where it must be, if that is clear."""
        track, label, number = sought.track, sought.label, sought.number
        if track.state != TargetState.OCCLUDED or float(label.max()) >= 0.5:
            return None
        near = within_reach(track, (sought.image.shape[0], sought.image.shape[1]), label.shape)
        suspects = [
            Suspect.first(place, number)
            for place in places
            if near[tuple(map(round, place.middle))]
        ]
        best = identify(suspects, number, self._settings.max_size_change)
        if best is None or not self._is_it(best, sought):
            return None
        self._begin(sought)
        return best.place

    def _candidates(self, number: int, target: int, features: Tensor, free: Tensor) -> list[Point]:
        """What resembles a target and is no bystander; beside it the likeliest place if that is
        little.
        """
        side = self._gallery.side(target)
        resemblance = resembling(features, self._gallery.of(target), free)
        found = resemblance.candidates
        found = self._bystanders.others(target, number, found, side)
        if len(found) >= LOOKS:
            return found
        looked = [at for at, _ in self._looked.get(target, ())]
        apart = [*found, *self._bystanders.places(target, number), *looked]
        likeliest = resemblance.likeliest(apart, REACH * side)
        return found if likeliest is None else [*found, likeliest]

    def _look(
        self, number: int, target: int, found: Sequence[Point], image: Image, free: Tensor
    ) -> list[Place]:
        """Of what resembles a target most, what shows it."""
        places: list[Place] = []
        for at in found[:LOOKS]:
            place = self._gallery.look(at, target, image, free)
            apart = SAME * self._gallery.side(target)
            if place is None:
                self._looked[target].append((at, number))
            elif all(math.dist(place.middle, each.middle) > apart for each in places):
                places.append(place)
        return places

    def _anywhere(self, sought: _Sought, places: Sequence[Place]) -> Place | None:
        """The place of a target that may be anywhere, if that is clear. A weak mask that it has is
        left for one only if that was seen several times.
        """
        number = sought.number
        suspects = follow(self._suspects.get(sought.id, ()), places, number)
        self._suspects[sought.id] = suspects
        best = identify(suspects, number, self._settings.max_size_change)
        visible = sought.track.state == TargetState.VISIBLE
        if best is None and not visible and not sought.rivals:
            best = only_one(suspects, number, self._settings.any_size_after)
            if best is not None:
                self.tentative.begin(sought.id, number)
                return best.place
        if best is None or not self._is_it(best, sought):
            return None
        if visible and not best.lasting:
            return None
        elsewhere = not bool(((best.place.label > 0.5) & (sought.label > 0.5)).any())
        if elsewhere and sought.id in self.tentative:
            self.instead = {sought.id: self.tentative.since(sought.id)}
        self.tentative.forget(sought.id)
        if not visible or elsewhere:
            self._begin(sought)
        return best.place

    def _begin(self, sought: _Sought) -> None:
        """A target was found again."""
        if self._settings.verify:
            self._verification.begin(sought.id, sought.number)

    def _is_it(self, suspect: Suspect, sought: _Sought) -> bool:
        """Whether a suspect has the size of its target rather than that of those that look the
        same and are missing, too.
        """
        middle, (rows, columns) = suspect.place.middle, sought.label.shape
        scales = [
            abs(self._gallery.scale(middle, rival, sought.image, (rows, columns)))
            for rival in sought.rivals
        ]
        return not scales or abs(suspect.scale) + CLEARLY < min(scales)


def _without(soft: Tensor, slots: Sequence[int]) -> Tensor:
    """Soft labels (K, h, w) of which those in some channels are background."""
    soft = soft.clone()
    soft[0] += soft[slots].sum(0)
    soft[slots] = 0
    return soft
