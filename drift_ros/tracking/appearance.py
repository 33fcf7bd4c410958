"""How sure masks are, by how their targets looked."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import NamedTuple

from torch import Tensor

from drift_ros.descriptors import Descriptors
from drift_ros.settings import TargetSettings
from drift_ros.structures import TrackedObject
from drift_ros.tracking import confidence
from drift_ros.tracking.anchors import Match, match, owned
from drift_ros.tracking.gallery import Gallery, Labels, shares
from drift_ros.tracking.recognition import Image
from drift_ros.tracking.suspects import change

EVERY = 5  # frames from one last certain view to the next
AGREED = 0.5  # share of a mask that looks like the target; believed without a probability
CERTAIN = 0.8  # score from which on a view is certain
WEAK = 0.5  # score below which pixels are asked where the target is
HARDLY = 0.1  # score below which a mask is hardly ever right, where pixels do not object


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
    """Judges masks, and remembers targets where they are certain.

    Args:
        extractor: name of the one that describes frames.
        settings: what is believed.
        gallery: how targets looked.
    """

    def __init__(self, extractor: str, settings: TargetSettings, gallery: Gallery) -> None:
        self._extractor = extractor
        self._calibrated = extractor in confidence.CALIBRATIONS  # else scores have no scale
        self._gallery = gallery
        self._settings = settings

    def update(self, settings: TargetSettings) -> None:
        """Take over changed settings."""
        self._settings = settings

    def judge(
        self,
        image: Image,
        descriptors: Descriptors,
        labels: Labels,
        obj: TrackedObject,
        hidden: bool,
    ) -> Judgement:
        """How sure the mask of a target is.

        Args:
            image: (H, W, 3) the frame.
            descriptors: of the frame (n = 1).
            labels: (H, W) ids.
            obj: the target, with a mask, and with its mean soft label as score.
            hidden: whether it had none in the frame before.

        Returns:
            Not believed is a mask with a lower score than `targets.min_score`, and where scores are
            no probabilities, if less than half of it looks like the target, too. Where they are,
            it is refuted by one below 0.1, if its pixels do not look like the target either, and of
            a target that was hidden by one below 0.5, if they show it elsewhere or nowhere
            (`targets.verify`).
        """
        if not self._gallery.of(obj.id):
            return Judgement(obj.score)
        shown = shares(labels == obj.id, descriptors)
        features = self._gallery.features(descriptors)
        score, agreed = self._evidence(obj.id, features, shown, obj.score)
        agreed_upon = not self._calibrated and agreed >= AGREED
        believed = score >= self._settings.min_score or agreed_upon
        if not self._calibrated or score >= WEAK:
            return Judgement(score, believed)
        roi, anchors = obj.roi, self._gallery.of(obj.id)
        middle = roi.x + roi.width / 2, roi.y + roi.height / 2
        refuted = False
        if score < HARDLY and not believed:
            refuted = self._gallery.recognition.denies(middle, anchors, image)
        elif hidden and self._settings.verify:
            refuted = self._gallery.recognition.misses(middle, anchors, image, labels == obj.id)
        return Judgement(score, believed and not refuted, refuted)

    def observe(
        self,
        number: int,
        image: Image,
        descriptors: Descriptors,
        labels: Labels,
        objects: Sequence[TrackedObject],
        prompted: Collection[int],
        believed: Collection[int] = (),
    ) -> None:
        """Remember how targets look in a frame in which they were prompted, or are certain.

        Args:
            number: of the frame.
            image: (H, W, 3) it.
            descriptors: of the frame (n = 1).
            labels: (H, W) ids.
            objects: those that may be, with their scores.
            prompted: ids of those that were given in this frame.
            believed: of those that look like this from now on, whatever their size was.
        """
        for obj in objects:
            given = obj.id in prompted
            if given:
                self._gallery.forget(obj.id)
            if not obj.visible:
                continue
            certain = obj.id in believed or (
                number % EVERY == 0 and self._is_certain(descriptors, labels, obj)
            )
            if given or certain:
                self._gallery.remember(number, image, descriptors, labels, obj.id, given)

    def _is_certain(self, descriptors: Descriptors, labels: Labels, obj: TrackedObject) -> bool:
        """Whether a view shows a target for certain, and not a part of it that something in front,
        or the border, leaves free.
        """
        areas = self._gallery.areas(obj.id)
        if obj.score < CERTAIN or not areas or not _inside(obj, labels):
            return False
        area = float(shares(labels == obj.id, descriptors).sum())
        return change(area, areas) <= math.log(self._settings.max_size_change)

    def _evidence(
        self, target: int, features: Tensor, shown: Tensor, soft: float
    ) -> tuple[float, float]:
        """The score of a mask, and the smaller of the two shares in which it and the target match.

        Args:
            features: (C, h, w) unit descriptors of the frame.
            shown: (h, w) the share of each cell that the mask has, somewhere above 0.
            soft: mean soft label of it.
        """
        anchors, mask, area = self._gallery.of(target), owned(shown), float(shown.sum())
        found = [match(features, mask, anchor) for anchor in anchors]
        best = Match(*(max(each) for each in zip(*found, strict=True)))
        changed = min(anchor.change(area) for anchor in anchors)
        agreed = best.forward, best.backward
        return confidence.score(self._extractor, soft, *agreed, changed), min(best)


def _inside(obj: TrackedObject, labels: Labels) -> bool:
    """Whether a mask ends before the image's border."""
    roi, (height, width) = obj.roi, labels.shape
    return roi.x > 0 and roi.y > 0 and roi.x + roi.width < width and roi.y + roi.height < height
