"""The tracker of this package, with true masks as prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drift_ros.evaluation.protocols import Found
from drift_ros.evaluation.scores import Said
from drift_ros.prompts.prompt import Prompt
from drift_ros.settings import TrackerSettings, build, flatten
from drift_ros.structures import FailedFrames, Frame, TrackerOutput
from drift_ros.tracking import Tracker

CAMERA = 'camera'


class GivenMasks:
    """A segmenter for prompts that are masks: they are what they are."""

    name = 'given-masks'

    def segment(
        self, image: NDArray[np.uint8], prompts: Sequence[Prompt]
    ) -> list[NDArray[np.bool_]]:
        """The masks of the prompts."""
        return [prompt.mask for prompt in prompts if prompt.mask is not None]


@dataclass(frozen=True)
class Ours:
    """The tracker with any extractor.

    Windows never shrink here, whatever `window.may_shrink` says: scores would depend on how much
    memory was free.
    """

    tracker: TrackerSettings

    @property
    def name(self) -> str:
        """Name of the extractor."""
        return self.tracker.features.name

    @property
    def settings(self) -> Mapping[str, Any]:
        """All settings of the tracker, by dotted names."""
        return flatten(self.tracker) | {'window.may_shrink': False}

    def make(self, device: str | None = None) -> TrackerMethod:
        """Load the extractor."""
        from drift_ros import features

        values = dict(self.settings)
        if device is not None:
            values['features.device'] = device
        settings = build(TrackerSettings, values)
        extractor = features.create(settings.features)
        return TrackerMethod(Tracker(extractor, GivenMasks(), settings), self)


class TrackerMethod:
    """Frames through a tracker, which is emptied for each sequence."""

    def __init__(self, tracker: Tracker, spec: Ours) -> None:
        self.tracker = tracker
        self.name, self.settings = spec.name, spec.settings

    def begin(self) -> None:
        """Forget targets and frames."""
        self.tracker.reset()

    def step(
        self,
        index: int,
        stamp: int,
        image: NDArray[np.uint8],
        given: Mapping[int, NDArray[np.bool_]],
    ) -> Sequence[Found]:
        """Label what became complete with the frame: a window releases its frames together.

        Raises:
            Exception: what a window failed by; so does `end`.
        """
        prompts = [Prompt(id=id_, mask=mask) for id_, mask in given.items()]
        return _found(self.tracker.step(Frame(image, stamp, CAMERA, index), prompts))

    def end(self) -> Sequence[Found]:
        """Label what still waits."""
        return _found(self.tracker.flush())


def _found(outputs: Sequence[TrackerOutput]) -> list[Found]:
    found: list[Found] = []
    for output in outputs:
        if isinstance(output, FailedFrames):
            raise output.error
        said = {obj.id: Said(obj.score, obj.state) for obj in output.objects}
        found.append((output.frame.index, output.labels, said))
    return found
