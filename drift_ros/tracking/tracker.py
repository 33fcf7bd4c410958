"""The streaming tracker: frames and prompts in, labelled frames out.

Invariants:
- Within a generation every frame from the prompted one on is labelled exactly once, in order of its
  stamp.
- Results depend only on the frames, the prompts and the settings: live and offline use give the
  same labels for the
  same frames.
- Memory is bounded, whatever the length of the stream.

A tracker belongs to one thread.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drift_ros import features, prompts
from drift_ros.errors import DeviceError, PromptError
from drift_ros.features.base import FeatureExtractor, FeatureMap, Window
from drift_ros.prompts.types import Prompt, Segmenter
from drift_ros.propagation import unit
from drift_ros.settings import TrackerSettings
from drift_ros.tracking.labeller import Labeller, paint
from drift_ros.tracking.measure import measure
from drift_ros.tracking.prepare import network_size, to_input
from drift_ros.tracking.targets import Target, Targets
from drift_ros.tracking.types import Frame, Preview, Stats, TrackingResult
from drift_ros.tracking.windows import Cut, HeldFrame, WindowBuffer

log = logging.getLogger(__name__)

QUICK = 10  # frames; changes of the stream that follow closer come from a mistake


class Tracker:
    """Tracks prompted targets through a stream of frames.

    Args:
        extractor: describes windows of frames.
        segmenter: turns prompts into masks.
        settings: how to track.
        initial_prompts: prompts that are applied to the first frame of every stream: at the start
            and after each restart.

    Raises:
        SettingsError: the window's stride is longer than its length.
    """

    def __init__(
        self,
        extractor: FeatureExtractor,
        segmenter: Segmenter,
        settings: TrackerSettings | None = None,
        initial_prompts: Sequence[Prompt] = (),
    ) -> None:
        self.extractor = extractor
        self.segmenter = segmenter
        self.settings = settings = settings or TrackerSettings()
        self.stats = Stats()
        self.generation = 0
        self._initial_prompts = tuple(initial_prompts)
        length = settings.window.length or extractor.window_length
        stride = settings.window.stride or length
        self._buffer = WindowBuffer(length, stride, settings.window.history)
        self._targets = Targets()
        self._labeller = Labeller(self._targets, settings.propagation, settings.targets)
        self._changed_at = -QUICK  # number of frames at the last change of the stream
        self._quick_changes = 0
        self._emitted = -1  # number of the newest frame released in this generation
        self._released: list[TrackingResult] = []  # of a stream that ended within the present step

    @classmethod
    def from_settings(
        cls, settings: TrackerSettings, initial_prompts: Sequence[Prompt] = ()
    ) -> Tracker:
        """Make the extractor and the segmenter that the settings name, and a tracker over them.

        Raises:
            DriftError: something that the settings name is missing or unusable.
        """
        extractor = features.create(settings.features)
        segmenter = prompts.create_segmenter(settings.prompts, extractor.device)
        return cls(extractor, segmenter, settings, initial_prompts)

    @property
    def targets(self) -> dict[int, str]:
        """Id -> name of the live targets."""
        return {t.id: t.name for t in self._targets}

    @property
    def window(self) -> tuple[int, int]:
        """Window length and stride in frames."""
        return self._buffer.length, self._buffer.stride

    # ---- stream

    def step(self, frame: Frame, prompts: Sequence[Prompt] = ()) -> list[TrackingResult]:
        """Take one frame and label what became complete with it.

        Args:
            frame: the next frame of the stream. One whose stamp is not newer than the last one is
                skipped; a larger step back, another size or another camera restarts the stream
                without targets.
            prompts: further targets, given on this very frame.

        Returns:
            Zero or more results: a window releases its new frames together.

        Raises:
            PromptError: a prompt cannot be used. The frame is in the stream all the same; its
                result comes with the next step.
        """
        first = self._enter(frame)
        if first is None:
            return []
        held = self._buffer.push(frame)
        self.stats.frames += 1
        self.stats.lost += held.gap
        if first and self._initial_prompts:
            self._apply_initial_prompts()
        if prompts:
            self.set_targets(prompts, keep_existing=True)
        results, self._released = self._released, []
        while self.ready:
            results += self.advance()
        return results

    @property
    def ready(self) -> bool:
        """Whether `advance` has something to do."""
        return self._buffer.waiting >= (self._buffer.stride if len(self._targets) else 1)

    def advance(self) -> list[TrackingResult]:
        """Label the frames of the next window; the last one of a stream may be shorter."""
        if not self._buffer.waiting:
            return []
        cut = self._buffer.take()
        new = cut.frames[-cut.new :]
        if len(self._targets):
            maps = self._extract(cut)
            results = [
                self._result(held, map_, maps.stride)
                for held, map_ in zip(new, maps.features, strict=True)
            ]
        else:
            results = [self._unlabelled(held) for held in new]
        fresh = [r for r, held in zip(results, new, strict=True) if held.number > self._emitted]
        self._emitted = max(self._emitted, new[-1].number)
        self.stats.results += len(fresh)
        return fresh

    def flush(self) -> list[TrackingResult]:
        """Label every frame that still waits. Call it at the end of a stream."""
        results: list[TrackingResult] = []
        while self._buffer.waiting:
            results += self.advance()
        return results

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

        Raises:
            PromptError: no such frame is kept, it is of another camera, a prompt does not fit it,
                an id is taken, or a mask comes out empty. Nothing changes then.
        """
        if not prompts_:
            raise PromptError(
                'no prompt was given: name at least one target, by points, boxes or a mask'
            )
        held = self._find(stamp)
        if frame_id not in ('', held.frame.frame_id):
            raise PromptError(
                f'the prompts are for an image of {frame_id!r}, but the tracker sees '
                f'{held.frame.frame_id!r}: prompt on its own images'
            )
        prompts.validate(prompts_, held.frame.size)
        ids = self._targets.choose_ids(prompts_, keep_existing)
        masks = self._segmenter_masks(held, prompts_, ids)
        if keep_existing:
            self._rewind(held)
        else:
            self._new_generation()
            self._buffer.start_at(held)
            self._emitted = held.number - 1
        self._labeller.follow(
            self._targets.put(
                [Target(i, p.name, held.number) for i, p in zip(ids, prompts_, strict=True)]
            )
        )
        for other in self._buffer.all():  # an id that is named anew forgets its earlier prompts
            for target_id in ids:
                other.prompts.pop(target_id, None)
        held.prompts.update(masks)
        labels = np.zeros(held.frame.size, np.uint8) if held.labels is None else held.labels.copy()
        paint(labels, held.prompts)
        return Preview(held.frame, labels, tuple(ids), self.generation)

    def remove_targets(self, ids: Sequence[int]) -> None:
        """Stop tracking some targets; the others are not disturbed.

        Raises:
            PromptError: an id is not tracked; nothing changes then.
        """
        self._labeller.follow(self._targets.remove(ids))
        for held in self._buffer.all():
            for target_id in ids:
                held.prompts.pop(target_id, None)
            if held.labels is not None:
                held.labels = np.where(np.isin(held.labels, ids), 0, held.labels).astype(np.uint8)

    def interrupt(self) -> list[TrackingResult]:
        """Label what waits; the stream pauses here.

        No window spans the pause, and until the next frame there is no newest one to prompt on.
        """
        results = self.flush()
        self._buffer.cut_here()
        return results

    def clear_targets(self) -> None:
        """Forget all targets, but not the frames; a new generation begins."""
        self._new_generation()

    def reset(self) -> None:
        """Forget all targets and frames; a new generation begins."""
        self._buffer.clear()
        self._new_generation()
        self.extractor.reset()

    def warm_up(self, size: tuple[int, int]) -> None:
        """Run one full window of grey frames through the extractor, before the first real frame.

        So the first real one is not slow, and too little memory is found early. If the settings
        allow it the window is halved until it fits.

        Args:
            size: (H, W) of the camera's images in px.

        Raises:
            DeviceError: the device has too little memory for a window of this size.
        """
        side = network_size(size, self.settings.features.resolution, self.extractor.size_multiple)
        while True:
            length, stride = self.window
            try:
                self._run_grey_window(length, stride, side)
            except torch.OutOfMemoryError as error:
                message = (
                    f'{self.extractor.device} has too little memory for windows of {length} frames '
                    f'at {side[1]}x{side[0]} px with {self.extractor.name} in '
                    f'{self.extractor.dtype}: {error}'
                )
            else:
                return
            _free_cached_memory()
            if not self.settings.window.may_shrink or length == 1:
                raise DeviceError(
                    f'{message}; lower features.resolution or window.length, use float16, or set '
                    'window.may_shrink'
                )
            length //= 2
            log.warning('%s; trying windows of %d frames', message, length)
            history = self.settings.window.history
            self._buffer = WindowBuffer(length, min(stride, length), history)

    # ---- internals

    def _run_grey_window(self, length: int, stride: int, side: tuple[int, int]) -> None:
        device = self.extractor.device
        images = torch.full((length, 3, *side), 128, dtype=torch.uint8, device=device)
        try:
            self.extractor.extract(Window(images, tuple(range(length)), stride))
        finally:
            self.extractor.reset()

    def _enter(self, frame: Frame) -> bool | None:
        """What a frame is to the stream: its first one (True), its next one (False), no part of it
        (None).
        """
        last = self._buffer.newest
        if last is None:
            return True
        back = last.frame.stamp - frame.stamp
        reason = ''
        if frame.size != last.frame.size:
            reason = f'the image size changed from {_px(last.frame)} to {_px(frame)}'
        elif frame.frame_id != last.frame.frame_id:
            reason = f'the frame_id changed from {last.frame.frame_id!r} to {frame.frame_id!r}'
        elif back > 0 and back >= self.settings.stream.backward_jump * 1e9:
            reason = f'time went back by {back / 1e9:.3f} s'
        elif back >= 0:
            self.stats.late += 1
            return None
        if reason:
            self._released += self.flush()
            self._restart(reason)
            return True
        if frame.encoding != last.frame.encoding:
            self._released += self.flush()
            self._buffer.cut_here()
            self._warn_of_change(
                f'the encoding changed from {last.frame.encoding} to {frame.encoding}: a new '
                'window '
                'begins, the targets stay'
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
        self._warn_of_change(
            f'the stream restarts: {reason}{f"; targets {lost} are dropped" if lost else ""}'
        )
        self.stats.restarts += 1
        self.stats.last_restart = reason
        self.reset()

    def _warn_of_change(self, message: str) -> None:
        """Log it, but not again and again for a stream that changes all the time."""
        since, self._changed_at = self.stats.frames - self._changed_at, self.stats.frames
        self._quick_changes = self._quick_changes + 1 if since < QUICK else 0
        if self._quick_changes < 3:
            log.warning('%s', message)
        elif self._quick_changes == 3:
            log.warning(
                '%s; this happens all the time and is not logged again until it stops: do two '
                'cameras publish on one topic?',
                message,
            )

    def _new_generation(self) -> None:
        self.generation += 1
        self._targets.clear()
        self._labeller.clear()
        for held in self._buffer.all():
            held.prompts.clear()
            held.labels = None

    def _find(self, stamp: int | None) -> HeldFrame:
        held = self._buffer.find(stamp)
        kept = self._buffer.kept()
        if stamp is None and held is not None and self._buffer.interrupted:
            kept = None  # the newest frame is not what the camera sees now
        elif held is not None:
            return held
        if kept is None:
            raise PromptError('there is no frame to prompt on yet: wait for the first image')
        raise PromptError(
            f'no frame with stamp {_seconds(stamp or 0)} s is kept: prompt on one of the frames '
            'from '
            f'{_seconds(kept[0])} s to {_seconds(kept[1])} s, or on the newest (stamp 0); '
            'window.history says how '
            'many are kept'
        )

    def _segmenter_masks(
        self, held: HeldFrame, prompts_: Sequence[Prompt], ids: Sequence[int]
    ) -> dict[int, NDArray[np.bool_]]:
        masks = dict(zip(ids, self.segmenter.segment(held.frame.image, prompts_), strict=True))
        painted = np.zeros(held.frame.size, np.uint8)
        paint(painted, masks)
        seen = np.bincount(painted.ravel(), minlength=256)
        for target_id, mask in masks.items():
            if not seen[target_id]:
                why = 'lies wholly under later prompts' if mask.any() else 'gives an empty mask'
                raise PromptError(
                    f'the prompt for id {target_id} {why} with {self.segmenter.name}: add points '
                    'on the object, or '
                    'give a box or a mask'
                )
        return masks

    def _rewind(self, held: HeldFrame) -> None:
        """Go back to a frame; the label map that it already has stays, as the ground for new
        prompts.
        """
        self._buffer.rewind(held)
        self._labeller.go_back_to(held.number)
        for later in self._buffer.after(held.number + 1):
            later.labels = None

    def _extract(self, cut: Cut) -> FeatureMap:
        """Unit descriptors of the new frames of a window."""
        size = network_size(
            cut.frames[0].frame.size,
            self.settings.features.resolution,
            self.extractor.size_multiple,
        )
        for held in cut.frames:
            if held.image is None:
                held.image = to_input(held.frame.image, size, self.extractor.device)
        images = torch.stack([held.image for held in cut.frames if held.image is not None])
        stamps = tuple(held.frame.stamp for held in cut.frames)
        maps = self.extractor.extract(Window(images, stamps, cut.new))
        self.stats.windows += 1
        return FeatureMap(unit(maps.features, 1), maps.stride)

    def _result(self, held: HeldFrame, descriptors: Tensor, stride: int) -> TrackingResult:
        labels, scores = self._labeller.label(held, descriptors, stride)
        held.labels = labels
        objects = measure(labels, self.targets, scores)
        return TrackingResult(
            held.frame, labels, objects, self.generation, held.gap, bool(held.prompts)
        )

    def _unlabelled(self, held: HeldFrame) -> TrackingResult:
        labels = np.zeros(held.frame.size, np.uint8)
        return TrackingResult(held.frame, labels, (), self.generation, held.gap)


def _px(frame: Frame) -> str:
    return f'{frame.size[1]}x{frame.size[0]}'


def _seconds(stamp: int) -> str:
    return f'{stamp // 10**9}.{stamp % 10**9:09d}'


def _free_cached_memory() -> None:
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
