"""The streaming tracker: frames and prompts in, labelled frames out.

Invariants:
- Within a generation every frame from the prompted one on is labelled exactly once, in order of its
  stamp, unless its window fails.
- Results depend only on the frames, the prompts and the settings: live and offline use give the
  same labels for the same frames.
- Every frame is handed out exactly once, with its result or as failed.
- Memory is bounded, whatever the length of the stream.

A tracker belongs to one thread. Beside it, an extractor that takes frames one by one may describe
the next one in another thread while a frame is propagated; results are the same.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drift_ros import features, prompts
from drift_ros.descriptors import Descriptors
from drift_ros.errors import DeviceError, PromptError
from drift_ros.features.base import FeatureExtractor
from drift_ros.features.colour import colour_weight
from drift_ros.prompts.prompt import Prompt, Segmenter
from drift_ros.prompts.validate import check_name
from drift_ros.propagation import create_affinity
from drift_ros.recognition import Recognizer
from drift_ros.refinement import Refiner, create_refiner
from drift_ros.settings import TrackerSettings
from drift_ros.structures import Frame, Preview, Stats, TrackerOutput
from drift_ros.tracking.adapter import Adapter
from drift_ros.tracking.feature_pipeline import FeaturePipeline
from drift_ros.tracking.follower import Follower
from drift_ros.tracking.mask_propagator import MaskPropagator
from drift_ros.tracking.mask_readout import Masks
from drift_ros.tracking.output_queue import OutputQueue
from drift_ros.tracking.prompting import find_frame, paint, segment
from drift_ros.tracking.spreading import SpreadSegmenter
from drift_ros.tracking.stages import Stages
from drift_ros.tracking.stream import ChangeLog, follows_on, restart_reason
from drift_ros.tracking.targets import Target, Targets
from drift_ros.tracking.threads import share_cores
from drift_ros.tracking.window_buffer import BufferedFrame, FrameWindow, WindowBuffer, window_size

log = logging.getLogger(__name__)
Upcoming = Callable[[], Frame | None]


class Tracker:
    """Tracks prompted targets through a stream of frames.

    Args:
        extractor: describes frames; several trackers may share it.
        segmenter: turns prompts into masks.
        settings: how to track.
        initial_prompts: prompts that are applied to the first frame of every stream: at the start
            and after each restart.
        live: whether frames come in at a rate of their own: adaptation to the targets then shares
            its time with tracking (`adaptation.budget`), else it is done before tracking goes on.
        refiner: gives masks better outlines; None makes the one that the settings name, if any.

    Raises:
        SettingsError: the window's stride is longer than its length, or something is to be adapted
            that the extractor has not.
        CheckpointError: the model that refines masks, the weights that recognize targets, or the
            file of an adaptation, is missing or unusable.

    Attributes:
        adapter: adapts the attention kernel.
        stages: where the time of frames with targets goes.
        follower: is shown every frame that is described; what it finds is part of the results.
            None: there is none.
    """

    def __init__(
        self,
        extractor: FeatureExtractor,
        segmenter: Segmenter,
        settings: TrackerSettings | None = None,
        initial_prompts: Sequence[Prompt] = (),
        live: bool = False,
        refiner: Refiner | None = None,
    ) -> None:
        self.extractor = extractor
        self.segmenter = segmenter
        self.settings = settings = settings or TrackerSettings()
        self.stats = Stats()
        self.stages = Stages('features', 'propagation', 'refinement', 'points')
        self.generation = 0
        self._masked = 0  # number of the first frame whose masks are not known
        self._initial_prompts = tuple(initial_prompts)
        length, stride = window_size(extractor, settings.window)
        self._buffer = WindowBuffer(length, stride, settings.window.history)
        self._targets = Targets()
        self._affinity = create_affinity(settings.propagation, len(extractor.heads))
        self._refiner = refiner or create_refiner(settings.refinement, extractor.device, segmenter)
        self._features = FeaturePipeline(
            extractor,
            length,
            settings.features.resolution,
            self._buffer.history,
            colour_weight(settings, extractor),
        )
        self._masks = MaskPropagator(
            self._targets,
            self._affinity,
            settings.propagation,
            settings.targets,
            Recognizer.load(extractor.device, settings.targets.checkpoint),
            self._buffer.history,
            self._refiner,
            self._adapt,
            self.stages,
            extractor.name,
        )
        self.adapter = Adapter(self._affinity, self._features, self._masks.memory, settings, live)
        self._changes = ChangeLog(log)
        self._outputs = OutputQueue(self.stats)
        self.follower: Follower | None = None

    @classmethod
    def from_settings(
        cls,
        settings: TrackerSettings,
        initial_prompts: Sequence[Prompt] = (),
        live: bool = False,
        beside: Tracker | None = None,
    ) -> Tracker:
        """Make the extractor and the segmenter that the settings name, and a tracker over them. If
        it describes frames in another thread, torch gets half of the cores for each (`threads`).

        Args:
            settings, initial_prompts, live: as for the tracker itself.
            beside: a tracker of the same thread, whose networks are taken in place of new ones; the
                settings must name the same.

        Raises:
            DriftError: something that the settings name is missing or unusable.
        """
        if beside is not None:
            shared = beside.extractor, beside.segmenter
            return cls(*shared, settings, initial_prompts, live, beside._refiner)
        extractor = features.create(settings.features)
        segmenter: Segmenter
        if settings.prompts.backend == 'spread':
            segmenter = SpreadSegmenter(extractor, settings)
        else:
            segmenter = prompts.create_segmenter(settings.prompts, extractor.device)
        made = cls(extractor, segmenter, settings, initial_prompts, live)
        if made._looks_ahead or extractor.device.type == 'cuda':
            share_cores()
        return made

    @property
    def targets(self) -> dict[int, str]:
        """Id -> name of the live targets."""
        return {t.id: t.name for t in self._targets}

    @property
    def window(self) -> tuple[int, int]:
        """Window length and stride in frames."""
        return self._buffer.length, self._buffer.stride

    def update(self, settings: TrackerSettings) -> None:
        """Take over what may change while a stream goes on: the settings marked `dynamic`. The next
        frame is labelled by them.
        """
        self.settings = settings
        self._affinity.settings = settings.propagation
        self._masks.update(settings.targets)
        self.adapter.budget = settings.adaptation.budget
        if isinstance(self.segmenter, SpreadSegmenter):
            self.segmenter.temperature = settings.propagation.temperature
        if self._refiner is not None:
            self._refiner.settings = settings.refinement
        if self.follower is not None:
            self.follower.update(settings.points)

    @property
    def history(self) -> int:
        """Frames that tracking may go back by."""
        return self._buffer.history

    # ---- stream

    def step(
        self,
        frame: Frame,
        prompts: Sequence[Prompt] = (),
        on_entry: Callable[[], None] | None = None,
        upcoming: Upcoming | None = None,
    ) -> list[TrackerOutput]:
        """Take one frame and label what became complete with it.

        Args:
            frame: the next frame of the stream. One whose stamp is not newer than the last one is
                skipped; a larger step back, another size or another camera restarts the stream
                without targets.
            prompts: further targets, given on this very frame.
            on_entry: called when the frame is in the stream and not yet labelled.
            upcoming: gives the frame of the next step, the very object, if there is one already;
                None if not. It is asked before propagation, if the features of that frame can be
                computed meanwhile, and must not raise.

        Returns:
            Zero or more results in order, and in their place what failed: a window releases its
            new frames together.

        Raises:
            PromptError: a prompt cannot be used. The frame is in the stream all the same; its
                result comes with the next step.
        """
        first = self._enter(frame)
        if first is not None:
            entry = self._buffer.push(frame)
            self.stats.frames += 1
            self.stats.lost += entry.gap
            if first and self._initial_prompts:
                self._apply_initial_prompts()
            if prompts:
                self.set_targets(prompts, keep_existing=True)
            if on_entry is not None:
                on_entry()
            while self._window_is_full:
                self._label_next(upcoming=upcoming)
            self.adapter.spend(self._buffer.cursor)
        return self._outputs.take()

    @property
    def due(self) -> bool:
        """Whether `advance` has something to do after targets were set on a past frame."""
        return self._window_is_full or not self._outputs.empty

    def advance(self, upcoming: Upcoming | None = None) -> list[TrackerOutput]:
        """Label the frames of the next window; the last one of a stream may be shorter.

        Results of frames that had to be labelled before a prompt are handed out first, without
        another window.

        Args:
            upcoming: as for `step`.
        """
        if self._buffer.waiting and self._outputs.empty:
            self._label_next(upcoming=upcoming)
        return self._outputs.take()

    def flush(self) -> list[TrackerOutput]:
        """Label every frame that still waits. Call it at the end of a stream."""
        self._label_all()
        return self._outputs.take()

    # ---- targets

    def set_targets(
        self,
        prompts_: Sequence[Prompt],
        stamp: int | None = None,
        keep_existing: bool = False,
        frame_id: str = '',
    ) -> Preview:
        """Name the targets by prompts on one of the kept frames.

        Tracking goes back to that frame; `advance` catches up from there. A new generation labels
        the frames from the prompted one on anew; further targets (keep_existing) appear with the
        next frame that was not yet released.

        Args:
            prompts_: one per target.
            stamp: stamp in ns of the frame that the prompts were given on; None for the newest.
            keep_existing: keep the present targets, except that a prompt with the id of one takes
                its place; else forget them all and begin a new generation.
            frame_id: camera that the prompts were given for; empty for whichever there is.

        Raises:
            PromptError: no such frame is kept, it is of another camera, a prompt does not fit it,
                an id is taken, or a mask comes out empty. Nothing changes then.
        """
        entry, masks = self._understand(prompts_, stamp, keep_existing, frame_id)
        ids = list(masks)
        self.go_back_to(entry)
        if keep_existing:
            self._forget_masks_from(entry)
        else:
            self._new_generation()
            self._outputs.go_back_to(entry.number)
        self._masks.set_slots(
            self._targets.put(
                [Target(i, p.name, entry.number) for i, p in zip(ids, prompts_, strict=True)]
            )
        )
        for other in self._buffer.all():  # an id that is named anew forgets its earlier prompts
            for target_id in ids:
                other.prompts.pop(target_id, None)
        entry.prompts.update(masks)
        return self._preview(entry, entry.prompts, ids)

    def preview_targets(
        self,
        prompts_: Sequence[Prompt],
        stamp: int | None = None,
        keep_existing: bool = False,
        frame_id: str = '',
    ) -> Preview:
        """What `set_targets` would understand, without any change.

        Raises:
            PromptError: as `set_targets`.
        """
        entry, masks = self._understand(prompts_, stamp, keep_existing, frame_id)
        return self._preview(entry, masks, list(masks))

    def rename_targets(self, names: Mapping[int, str]) -> None:
        """Give targets other names; nothing else about them changes.

        Args:
            names: id -> name.

        Raises:
            PromptError: an id is not tracked, or a name is too long; nothing changes then.
        """
        for target_id, name in names.items():
            check_name(name, f'id {target_id}')
        self._targets.rename(names)

    def find(self, stamp: int | None, frame_id: str = '') -> BufferedFrame:
        """The kept frame with a stamp in ns, or the newest one for None.

        Raises:
            PromptError: no such frame is kept, or it is of another camera than `frame_id`, unless
                that is empty.
        """
        return find_frame(self._buffer, stamp, frame_id)

    def go_back_to(self, entry: BufferedFrame) -> None:
        """Show a kept frame and those after it to the follower again, once those before it are
        labelled; masks that were found in them stay, and no frame is released again.
        """
        self._label_up_to(entry)  # by what was known before
        self._buffer.rewind(entry)
        self._follower_goes_back(entry.number)

    def remove_targets(self, ids: Sequence[int]) -> None:
        """Stop tracking some targets; the others are not disturbed.

        Raises:
            PromptError: an id is not tracked; nothing changes then.
        """
        self._masks.set_slots(self._targets.remove(ids))
        self.adapter.end()
        for entry in self._buffer.all():
            for target_id in ids:
                entry.prompts.pop(target_id, None)
            if entry.labels is not None:
                entry.labels = np.where(np.isin(entry.labels, ids), 0, entry.labels).astype(
                    np.uint8
                )

    def interrupt(self) -> list[TrackerOutput]:
        """Label what waits; the stream pauses here.

        No window spans the pause, and until the next frame there is no newest one to prompt on.
        """
        self._label_all()
        self._buffer.cut_here()
        return self._outputs.take()

    def clear_targets(self) -> None:
        """Forget all targets, but not the frames; a new generation begins."""
        self._new_generation()

    def reset(self) -> None:
        """Forget all targets and frames; a new generation begins."""
        self._buffer.clear()
        self._outputs.begin(self._buffer.cursor)
        self._new_generation()
        self._features.reset()
        if self.follower is not None:
            self.follower.reset()

    def warm_up(self, size: tuple[int, int]) -> None:
        """Run one full window of grey frames through the extractor, before the first real frame.

        So the first real one is not slow, and too little memory is found early. If the settings
        allow it the window is halved until it fits.

        Args:
            size: (H, W) of the camera's images in px.

        Raises:
            DeviceError: the device has too little memory for a window of this size.
        """
        while message := self._features.try_out(size, *self.window):
            self._features.free_memory()
            if not self._shrink(message):
                raise DeviceError(
                    f'{message}; lower features.resolution or window.length, use float16, or set '
                    'window.may_shrink'
                )

    # ---- internals

    def _understand(
        self, prompts_: Sequence[Prompt], stamp: int | None, keep_existing: bool, frame_id: str
    ) -> tuple[BufferedFrame, dict[int, NDArray[np.bool_]]]:
        """The kept frame that prompts are for, and their masks by the ids that they will get."""
        if not prompts_:
            raise PromptError(
                'no prompt was given: name at least one target, by points, boxes or a mask'
            )
        entry = self.find(stamp, frame_id)
        prompts.validate(prompts_, entry.frame.size)
        ids = self._targets.choose_ids(prompts_, keep_existing)
        return entry, segment(self.segmenter, entry.frame, prompts_, ids)

    def _preview(
        self, entry: BufferedFrame, masks: Mapping[int, NDArray[np.bool_]], ids: Sequence[int]
    ) -> Preview:
        known = entry.labels
        labels = np.zeros(entry.frame.size, np.uint8) if known is None else known.copy()
        paint(labels, masks)
        return Preview(entry.frame, labels, tuple(ids), self.generation)

    @property
    def _window_is_full(self) -> bool:
        described = len(self._targets) or self._following
        return self._buffer.waiting >= (self._buffer.stride if described else 1)

    @property
    def _following(self) -> bool:
        return self.follower is not None and self.follower.count > 0

    def _follower_goes_back(self, number: int) -> None:
        if self.follower is not None:
            self.follower.go_back_to(number)

    def _label_up_to(self, entry: BufferedFrame) -> None:
        while self._buffer.cursor < entry.number:
            self._label_next(entry.number)

    def _label_all(self) -> None:
        while self._buffer.waiting:
            self._label_next()

    def _label_next(self, end: int | None = None, upcoming: Upcoming | None = None) -> None:
        """Label the frames of the next window, up to the frame number `end`."""
        window = self._buffer.take(end)
        left = window.new_frames
        error: Exception | None = None
        try:
            if len(self._targets) or self._following:
                self._label_window(window, left, upcoming)
            else:
                self._pass_unlabelled(left)
        except Exception as failure:
            traceback.clear_frames(failure.__traceback__)  # they hold device memory
            error = failure
        if error is None:
            return
        self._features.free_memory()
        if left[0].number >= self._masked:
            self._masks.go_back_to(left[0].number)  # it may have been half remembered
        self._follower_goes_back(left[0].number)
        if isinstance(error, torch.OutOfMemoryError) and self._shrink(
            self._features.too_little_memory(left[0].frame.size, len(window.frames), error)
        ):
            self._buffer.rewind(left[0])
            self._label_next(end, upcoming)
        else:
            self._skip(left, error)

    def _enter(self, frame: Frame) -> bool | None:
        """What a frame is to the stream: its first one (True), its next one (False), no part of it
        (None).
        """
        newest = self._buffer.newest
        if newest is None:
            return True
        last = newest.frame
        if reason := restart_reason(last, frame, self.settings.stream.backward_jump):
            self._label_all()
            self._restart(reason)
            return True
        if frame.stamp <= last.stamp:
            self._buffer.pass_over(frame)
            self.stats.late += 1
            return None
        if frame.encoding != last.encoding:
            self._label_all()
            self._buffer.cut_here()
            self._changes.warn(
                f'the encoding changed from {last.encoding} to {frame.encoding}: a new window '
                'begins, the targets stay',
                self.stats.frames,
            )
        return False

    def _apply_initial_prompts(self) -> None:
        try:
            self.set_targets(self._initial_prompts)
        except Exception as error:  # whatever the segmenter does, frames go on
            log.error(
                'the initial prompts do not fit the first frame, nothing is tracked: %s', error
            )

    def _restart(self, reason: str) -> None:
        lost = ', '.join(str(i) for i in self.targets)
        self._changes.warn(
            f'the stream restarts: {reason}{f"; targets {lost} are dropped" if lost else ""}',
            self.stats.frames,
        )
        self.stats.restarts += 1
        self.stats.last_restart = reason
        self.reset()

    def _new_generation(self) -> None:
        self.generation += 1
        self._targets.clear()
        self._masks.reset()
        self.adapter.reset()
        self._masked = self._buffer.cursor
        for entry in self._buffer.all():
            entry.prompts.clear()
            entry.labels = None

    def _forget_masks_from(self, entry: BufferedFrame) -> None:
        """Find masks anew from a frame on; it keeps the label map that it already has, for new
        prompts to be painted on.
        """
        self._masked = entry.number
        self._masks.go_back_to(entry.number)
        self.adapter.go_back_to(entry.number)
        for later in self._buffer.after(entry.number + 1):
            later.labels = None

    def _label_window(
        self, window: FrameWindow, left: list[BufferedFrame], upcoming: Upcoming | None
    ) -> None:
        """Label the new frames of a window; what is done leaves the list."""
        with self.stages.measure('features'):
            described = self._features.describe(window)
            prepared = self._masks.prepare(described) if len(self._targets) else described
        self.stats.windows += 1
        if self._looks_ahead:
            self._look_ahead(upcoming)
        each = zip(tuple(left), described.frames(), prepared.frames(), strict=True)
        for entry, descriptors, own in each:
            found, points = Masks(np.zeros(entry.frame.size, np.uint8)), None
            unmasked = entry.number >= self._masked
            if unmasked and len(self._targets):
                with self.stages.measure('propagation'):
                    found = self._masks.step(entry, own)
            if self.follower is not None and self.follower.count:
                with self.stages.measure('points'):
                    points = self.follower.step(entry, descriptors)
            if unmasked:
                self._outputs.add(entry, found, self.generation, points)
                entry.labels = found.labels
                self._masked = entry.number + 1
            del left[0]

    @property
    def _looks_ahead(self) -> bool:
        """Whether frames may be described in another thread. Not several at a time, which would
        differ from one by one by rounding; not on a GPU, where frames take little time and two
        threads hinder each other.
        """
        single = self._features.one_by_one and self._buffer.stride == 1
        return single and self.extractor.device.type == 'cpu'

    def _look_ahead(self, upcoming: Upcoming | None) -> None:
        """Let the next frame be described in another thread, if there is one that follows on."""
        entry = self._buffer.next
        if entry is None and upcoming is not None and (frame := upcoming()) is not None:
            newest = self._buffer.newest
            if newest is not None and follows_on(newest.frame, frame):
                entry = self._buffer.foresee(frame)
        if entry is not None:
            self._features.look_ahead(entry)

    def _adapt(self, entry: BufferedFrame, descriptors: Descriptors, labels: Tensor) -> None:
        self.adapter.begin(entry.number, entry.frame, descriptors, labels)

    def _pass_unlabelled(self, left: list[BufferedFrame]) -> None:
        for entry in left:
            nothing = Masks(np.zeros(entry.frame.size, np.uint8))
            self._outputs.add(entry, nothing, self.generation)

    def _skip(self, frames: Sequence[BufferedFrame], error: Exception) -> None:
        """Go on without frames that cannot be labelled, and without the targets that only they
        show.
        """
        numbers = {entry.number for entry in frames}
        unseen = [t for t in self._targets if t.born in numbers and t.born >= self._masked]
        if unseen:
            self.remove_targets([target.id for target in unseen])
            log.error(
                'the window of the frames that they were prompted on failed, so targets %s are '
                'dropped: prompt them again (%s)',
                ', '.join(map(str, unseen)),
                error,
            )
        if self.follower is not None:
            self.follower.miss(numbers)
        self._outputs.fail(frames, error)

    def _shrink(self, message: str) -> bool:
        """Halve the windows, if that is allowed and possible."""
        if not self.settings.window.may_shrink or self._buffer.length == 1:
            return False
        self._buffer.shrink()
        self._features.restart(self._buffer.length)
        log.warning('%s; trying windows of %d frames', message, self._buffer.length)
        return True
