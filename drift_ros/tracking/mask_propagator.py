"""Masks of the targets in one frame after the other: by propagation from memory, and by the prompts
that a frame carries.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from drift_ros.descriptors import Descriptors
from drift_ros.interruption import checkpoint
from drift_ros.propagation import (
    Affinity,
    Propagator,
    corrected,
    one_hot,
)
from drift_ros.recognition import Recognizer
from drift_ros.refinement import Refiner
from drift_ros.settings import PropagationSettings, TargetSettings
from drift_ros.structures import TargetState
from drift_ros.tracking import confidence
from drift_ros.tracking.appearance import Appearance
from drift_ros.tracking.background import Background
from drift_ros.tracking.competition import alike, return_parts
from drift_ros.tracking.cuts import Cuts
from drift_ros.tracking.gallery import Gallery
from drift_ros.tracking.gaps import Gaps
from drift_ros.tracking.lookalikes import LookAlikes, Partly
from drift_ros.tracking.mask_readout import Labels, MaskReadout, Masks
from drift_ros.tracking.prompting import paint
from drift_ros.tracking.reach import drop_unreachable
from drift_ros.tracking.reacquisition import Reacquisition
from drift_ros.tracking.stages import Stages
from drift_ros.tracking.states import NOBODY, TargetStates, Track
from drift_ros.tracking.targets import Targets
from drift_ros.tracking.twins import cut_off_twins
from drift_ros.tracking.window_buffer import BufferedFrame

log = logging.getLogger(__name__)
SMALL = 30  # cells of a target below which it is often lost
NEAR = 2**21  # entries of descriptors that are brought to the CPU for what is small work there
PATIENCE = 500_000_000  # ns after which masks that are not believed are dropped

OnReference = Callable[[BufferedFrame, Descriptors, Tensor], None]


class MaskPropagator:
    """Finds the targets in frames, and remembers what it found.

    A frame with prompts becomes a reference with hard labels, as the first frame does in the
    papers.

    Args:
        targets: the live targets; the owner adds and removes them and says so.
        affinity: compares frames.
        propagation: settings.
        settings: of targets.
        recognizer: tells lost targets from what is not it.
        history: number of frames that `go_back_to` may go back by.
        refiner: of masks; None leaves them as they are.
        on_reference: called for every prompted frame, with its descriptors and its (K, h, w) labels
            on the grid.
        stages: takes the time of the refinement.
        extractor: name of the one that describes frames.

    Attributes:
        memory: the remembered frames.
    """

    def __init__(
        self,
        targets: Targets,
        affinity: Affinity,
        propagation: PropagationSettings,
        settings: TargetSettings,
        recognizer: Recognizer,
        history: int,
        refiner: Refiner | None = None,
        on_reference: OnReference | None = None,
        stages: Stages | None = None,
        extractor: str = '',
    ) -> None:
        self._targets = targets
        self._max_references = propagation.max_references
        self._settings = settings
        self._readout = MaskReadout(targets, settings, propagation.upsampling)
        # what given frames tell, not known while None
        self._alike: Tensor | None = None  # (K, K) bool
        self._background: Background | None = None
        self._states = TargetStates(settings, history)
        self._gallery = Gallery(recognizer)
        self._appearance = Appearance(extractor, settings, self._gallery)
        calibrated = extractor in confidence.CALIBRATIONS
        self._reacquisition = Reacquisition(self._gallery, settings, calibrated)
        self._gaps = Gaps()
        self._cuts = Cuts()
        self._lookalikes = LookAlikes(history)
        self._partly: Partly = NOBODY
        self._propagator = Propagator(
            affinity,
            propagation.memory,
            propagation.max_references,
            propagation.memory_every,
        )
        self.memory = self._propagator.memory
        self._refiner = refiner
        self._stages = stages or Stages('refinement')
        self._on_reference = on_reference

    def update(self, settings: TargetSettings) -> None:
        """Take over changed settings."""
        self._settings = settings
        self._readout.update(settings)
        self._states.update(settings)
        self._appearance.update(settings)
        self._reacquisition.update(settings)

    def reset(self) -> None:
        """Forget everything; a new generation begins."""
        self._propagator.reset()
        self._alike = self._background = None
        self._states.reset()
        self._gallery.reset()
        self._reacquisition.reset()
        self._gaps.reset()
        self._cuts.reset()
        self._lookalikes.reset()

    def go_back_to(self, number: int) -> None:
        """Forget what was remembered from this frame number on."""
        self._states.go_back_to(number)
        self._gallery.go_back_to(number)
        self._reacquisition.go_back_to(number)
        self._gaps.go_back_to(number)
        self._cuts.go_back_to(number)
        self._lookalikes.go_back_to(number)
        self._alike = self._background = None
        later = [remembered >= number for remembered in self.memory.frames]
        if all(later):
            self.memory.clear()  # its first frame may have failed to get any storage
        elif any(later):
            self.memory.truncate(number)

    def set_slots(self, sources: Sequence[int | None]) -> None:
        """The targets changed.

        Args:
            sources: for each slot, background included, the old slot that it continues, or None for
                a target that remembered frames do not know.
        """
        self._alike = self._background = None
        live = [target.id for target in self._targets]
        self._gallery.keep(live)
        self._reacquisition.keep(live)
        self._gaps.keep(live)
        self._lookalikes.keep(live)
        if len(sources) == 1:
            self.memory.clear()
        self.memory.set_classes(sources)

    def prepare(self, descriptors: Descriptors) -> Descriptors:
        """Descriptors of the new frames of a window as `step` takes them."""
        return self._propagator.prepare(descriptors)

    def step(self, entry: BufferedFrame, descriptors: Descriptors) -> Masks:
        """Find the targets in a frame and remember it.

        Args:
            entry: the frame, with the prompts that it carries. If it has labels already (it was
                released before and a later prompt went back to it), its prompts are painted on
                them.
            descriptors: prepared ones of the frame (n = 1).

        Raises:
            GivenUpError: another thread wants the work to end.
        """
        checkpoint()
        near = at_hand(descriptors)
        cut = self._is_cut(entry, near)
        expected = self._states.expect(entry.number, entry.frame, cut)
        self._partly = NOBODY
        found = self._find(entry, descriptors, near, expected, cut)
        objects = self._states.observe(
            entry.number,
            entry.frame,
            found.objects,
            [*entry.prompts, *self._reacquisition.instead],
            found.doubtful,
            self._partly,
            found.mistaken,
        )
        visible = [obj.id for obj in objects if obj.visible]
        counts = not cut or bool(visible)  # what comes later goes on from this frame
        if not self._separates:
            self._lookalikes.reset()
        elif counts:
            self._lookalikes.observe(
                entry.number, entry.frame, found.labels, objects, descriptors.grid, self._partly
            )
        if counts:
            self._cuts.go_on()
        believed = self._reacquisition.tentative.believed(entry.number)
        unproved = self._reacquisition.observe(
            entry.number, near, found.labels, objects, entry.prompts
        )
        proved = [obj for obj in objects if obj.id not in unproved]
        self._appearance.observe(
            entry.number,
            entry.frame.image,
            near,
            found.labels,
            proved,
            entry.prompts,
            believed,
        )
        self._gaps.observe(
            entry.number,
            visible,
            self._reacquisition.found,
            found.mistaken,
            self._reacquisition.instead,
        )
        return replace(found, objects=objects)

    def _is_cut(self, entry: BufferedFrame, descriptors: Descriptors) -> bool:
        """Whether a frame shows something else than the last one that counts. Without a search in
        the whole frame nothing would find the targets after it, so then there are no cuts.
        """
        if self._settings.reacquire != 'anywhere':
            self._cuts.reset()
            return False
        features = self._gallery.features(descriptors)
        return self._cuts.is_cut(entry.number, features, entry.frame.image)

    def _find(
        self,
        entry: BufferedFrame,
        descriptors: Descriptors,
        near: Descriptors,
        expected: Mapping[int, Track],
        cut: bool,
    ) -> Masks:
        """Masks of a frame by its descriptors, and by the same ones where rules look at them."""
        size = entry.frame.size
        if entry.labels is not None and entry.prompts:
            return self._take_prompts(entry, descriptors, entry.labels.copy(), {})
        if not len(self.memory):
            labels = np.zeros(size, np.uint8)
            if entry.prompts:
                return self._take_prompts(entry, descriptors, labels, {})
            return self._readout.measure(labels, {})
        if cut or self._reacquisition.needs_no_labels(self._slots, expected):
            soft = torch.zeros_like(self.memory.labels[0])
            soft[0] = 1
        else:
            soft = self._propagator.propagate(descriptors, self._known())
        soft = self._correct(soft.to(near.device), entry, near, expected)
        found = self._readout(soft, descriptors.stride, entry.frame.image)
        if entry.prompts:
            scores = {obj.id: obj.score for obj in found.objects}
            return self._take_prompts(entry, descriptors, found.labels, scores)
        found, soft = self._refine(entry, found, soft)
        found, soft = self._judge(entry, near, found, soft, expected)
        if not cut or any(obj.visible for obj in found.objects):
            self.memory.add_recent(entry.number, descriptors, soft)
        return found

    def _take_prompts(
        self,
        entry: BufferedFrame,
        descriptors: Descriptors,
        labels: Labels,
        scores: dict[int, float],
    ) -> Masks:
        """The masks of a frame's prompts over a label map of what was there before."""
        paint(labels, entry.prompts)
        self._lookalikes.introduce(entry.frame.image, entry.prompts)
        scores |= dict.fromkeys(entry.prompts, 1.0)
        hard = one_hot(self._targets.to_slots(labels), self._targets.classes, descriptors.grid)
        self._warn_of_small(hard, entry.prompts)
        found = self._readout.measure(labels, scores)
        if len(self.memory.references) == self._max_references:
            self.memory.drop_reference(self._least_useful_reference())
        self._propagator.add_reference(entry.number, descriptors, hard)
        self._alike = self._background = None
        if self._on_reference is not None:
            self._on_reference(entry, descriptors, hard)
        return found

    def _warn_of_small(self, hard: Tensor, ids: Collection[int]) -> None:
        for slot, target in enumerate(self._targets, 1):
            cells = float(hard[slot].sum())
            if target.id in ids and cells < SMALL:
                log.warning(
                    'target %d covers %.0f cells of the features, and below %d a target is easily '
                    'lost: a larger features.resolution makes cells smaller',
                    target.id,
                    cells,
                    SMALL,
                )

    def _correct(
        self,
        soft: Tensor,
        entry: BufferedFrame,
        descriptors: Descriptors,
        expected: Mapping[int, Track],
    ) -> Tensor:
        """Soft labels corrected by what else is known of the targets."""
        if len(soft) > 2 and self._alike is None:
            self._alike = alike(*self._given(soft.device))
        if self._settings.background_margin < 2:
            self._background = self._background or Background(*self._given(soft.device))
            looks = self._gallery.features(descriptors)
            soft = self._background.drop(soft, looks, self._settings.background_margin)
        if self._separates and self._alike is not None:
            soft, self._partly = self._lookalikes.separate(
                entry.frame, soft, self._slots, self._alike, expected
            )
        if self._settings.compete and self._alike is not None:
            soft = return_parts(soft, self._alike)
        if self._settings.drop_unreachable:
            soft = drop_unreachable(soft, self._slots, expected, entry.frame.size)
        if self._settings.verify:
            soft, twins = cut_off_twins(
                soft, self._slots, expected, self._gallery, entry.frame.image, self._alike
            )
            for target, place in twins.items():
                self._reacquisition.seen_beside(target, entry.number, [place])
        return self._reacquisition.reacquire(
            entry.number, entry.frame.image, descriptors, soft, self._slots, expected, self._alike
        )

    def _refine(self, entry: BufferedFrame, found: Masks, soft: Tensor) -> tuple[Masks, Tensor]:
        """Refined masks, and soft labels corrected by what that changed."""
        refiner = self._refiner
        every = refiner.settings.every if refiner is not None else 0
        if refiner is None or not every or entry.number % every:
            return found, soft
        with self._stages.measure('refinement'):
            labels = refiner.refine(entry.frame.image, found.labels)
        refined = self._readout.measure(labels, {o.id: o.score for o in found.objects})
        if not refiner.settings.feedback:
            return refined, soft
        maps = [self._targets.to_slots(each.labels) for each in (refined, found)]
        return refined, corrected(soft, *maps)

    def _judge(
        self,
        entry: BufferedFrame,
        descriptors: Descriptors,
        found: Masks,
        soft: Tensor,
        expected: Mapping[int, Track],
    ) -> tuple[Masks, Tensor]:
        """Masks with their scores; those that are refuted, or were not believed for long, are
        neither shown nor remembered.
        """
        image, number = entry.frame.image, entry.number
        seen = [obj for obj in found.objects if obj.visible]
        hidden = {id_ for id_, track in expected.items() if track.state != TargetState.VISIBLE}
        judged = {
            obj.id: self._appearance.judge(image, descriptors, found.labels, obj, obj.id in hidden)
            for obj in seen
        }
        mistaken = self._reacquisition.mistaken(
            number, image, descriptors, found.labels, [obj.id for obj in seen]
        )
        tentative = self._reacquisition.tentative
        scores = {id_: tentative.score(id_, each.score) for id_, each in judged.items()}
        doubtful = [id_ for id_, each in judged.items() if id_ in mistaken or not each.believed]
        patient = entry.frame.stamp - PATIENCE
        gone = [
            id_
            for id_ in doubtful
            if id_ in mistaken
            or judged[id_].refuted
            or id_ not in expected
            or expected[id_].believed < patient
        ]
        if not gone:
            objects = (replace(o, score=scores.get(o.id, 0.0)) for o in found.objects)
            return Masks(found.labels, tuple(objects), tuple(doubtful)), soft
        slots = [self._slots[id_] for id_ in gone]
        soft = soft.clone()
        soft[0] += soft[slots].sum(0)
        soft[slots] = 0
        found.labels[np.isin(found.labels, gone)] = 0
        measured = self._readout.measure(found.labels, scores)
        return replace(measured, doubtful=tuple(doubtful), mistaken=mistaken), soft

    @property
    def _separates(self) -> bool:
        return self._settings.separate and len(self._targets) > 1

    @property
    def _slots(self) -> dict[int, int]:
        return {target.id: slot for slot, target in enumerate(self._targets, 1)}

    def _given(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Keys and labels of the frames with given labels."""
        given = len(self.memory.references)
        keys, labels = self.memory.keys[0][:given], self.memory.labels[:given]
        return keys.to(device), labels.to(device)

    def _known(self) -> Tensor | None:
        """(T, K) bool, which remembered frames know about which slot; None if all about all."""
        frames = torch.tensor(self.memory.frames)
        known = frames[:, None] >= torch.tensor(self._targets.births)[None, :]
        known &= self._gaps.known(frames, [target.id for target in self._targets])
        return None if bool(known.all()) else known.to(self.memory.labels.device)

    def _least_useful_reference(self) -> int:
        """The oldest one, but not the very first while a target that was prompted on it lives."""
        references = self.memory.references
        first_lives = any(target.born == references[0] for target in self._targets)
        return references[1] if first_lives and len(references) > 1 else references[0]


def at_hand(descriptors: Descriptors) -> Descriptors:
    """Descriptors of a frame where the rules for targets look at them: on the CPU if they are
    small, since to launch an operation on a GPU takes longer than to do it here.
    """
    if descriptors.device.type != 'cuda' or sum(k.numel() for k in descriptors.keys) > NEAR:
        return descriptors
    near = descriptors.map(lambda maps: maps.to('cpu', non_blocking=True))
    torch.cuda.current_stream(descriptors.device).synchronize()
    return near
