"""One stream of frames through a feature extractor."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drift_ros.descriptors import Descriptors
from drift_ros.features.base import FeatureExtractor, Session, Window
from drift_ros.features.colour import add_colours
from drift_ros.interruption import Work, present
from drift_ros.tracking.prepare import network_size, to_input
from drift_ros.tracking.window_buffer import BufferedFrame, FrameWindow

GREY = 128
NOWHERE = (0, -1)  # segment and number of no frame


@dataclass(frozen=True, slots=True, eq=False)
class Ahead:
    """A frame that is described before it is asked for."""

    entry: BufferedFrame
    described: Future[Descriptors]


class FeaturePipeline:
    """Describes the frames of a stream, in windows or one by one.

    Frames of a streaming extractor are described once: their descriptors are kept by stamp, so
    that tracking may go back to them. Its session begins anew where the frames do not follow on
    the ones before, such as after a pause. A reentrant one that sees single images is used alike.

    Such a frame may be described ahead, in a thread of the pipeline's own, while the owner's thread
    does something else. The session is the other thread's until that is done: whatever uses it
    waits. So it sees the same frames in the same order, and results are the same, to the bit.

    Args:
        extractor: whose weights are used.
        length: frames that it sees together.
        resolution: short side of its input in px, 0 for that of the images.
        keep: past frames that tracking may go back to.
        colour: weight of the colours of cells (see `features.colour.colour_weight`).

    Attributes:
        one_by_one: whether each frame is shown to the extractor by itself.
    """

    def __init__(
        self,
        extractor: FeatureExtractor,
        length: int,
        resolution: int,
        keep: int,
        colour: float = 0.0,
    ) -> None:
        self.extractor = extractor
        self._resolution = resolution
        self._colour = colour
        self._keep = keep
        self._text: Tensor | None = None
        self._ahead: Ahead | None = None  # if there is one, it follows on the session's last frame
        self._beside = ThreadPoolExecutor(1, 'features')  # it has no thread before its first use
        self.restart(length)

    def restart(self, length: int) -> None:
        """Forget all frames; from now on that many are seen together."""
        self.one_by_one = self.extractor.streaming or (self.extractor.reentrant and length == 1)
        self._session = self.extractor.session(length)
        self._session.text = self._text
        self.reset()

    def reset(self) -> None:
        """Forget all frames."""
        self._let_go_of_ahead()
        self._session.reset()
        self._inputs: dict[int, Tensor] = {}  # of the last window, by stamp; none of a stream
        self._known: OrderedDict[int, Descriptors] = OrderedDict()  # of a stream, by stamp
        self._next = NOWHERE  # segment and number of the frame that follows on the session's last

    def describe(self, window: FrameWindow) -> Descriptors:
        """Descriptors of the new frames of a window, with their colours."""
        if self.one_by_one:
            return self._stream(window.new_frames)
        return self._extract(window.frames, window.new)

    def look_ahead(self, entry: BufferedFrame) -> None:
        """Begin to describe the frame that comes next, so that `describe` only waits for the rest.

        Nothing is done unless frames are described one by one and this one follows on the newest
        that was described: descriptors then are what they would be without looking ahead. If it is
        not asked for next in spite of that, they are thrown away, and a new stream begins. What
        fails is raised by the `describe` that asks for the frame. The other thread belongs to the
        present `Work`, and ends with it.
        """
        if self._ahead is None and (entry.segment, entry.number) == self._next:
            self._ahead = Ahead(entry, self._beside.submit(self._describe_beside, entry, present()))

    @property
    def text(self) -> Tensor | None:
        """Condition of the stream in place of the extractor's prompt (see `features.Session`)."""
        return self._text

    @text.setter
    def text(self, text: Tensor | None) -> None:
        self._let_go_of_ahead()  # which had the text of before
        self._text = self._session.text = text

    def describe_alone(
        self, image: NDArray[np.uint8], stamp: int, text: Tensor | None = None
    ) -> Descriptors:
        """Descriptors (n = 1) of an image (H, W, 3) that is no part of the stream, with the text of
        the stream or with another one.
        """
        session = self.extractor.session(1)
        session.text = self._text if text is None else text
        return self._describe(session, Window(self.input_of(image)[None], (stamp,), 1))

    def input_of(self, image: NDArray[np.uint8]) -> Tensor:
        """An image (H, W, 3) as the network takes it: (3, H', W') uint8 on its device."""
        size = self._network_size((image.shape[0], image.shape[1]))
        return to_input(image, size, self.extractor.device)

    def try_out(self, size: tuple[int, int], length: int, stride: int) -> str:
        """Run one window of grey frames, without a trace.

        Args:
            size: (H, W) of the camera's images in px.
            length: frames of the window.
            stride: new frames of the window.

        Returns:
            Why the device has too little memory for it; empty if it has enough.
        """
        height, width = self._network_size(size)
        device = self.extractor.device
        try:
            images = torch.full((length, 3, height, width), GREY, dtype=torch.uint8, device=device)
            window = Window(images, tuple(range(length)), stride)
            self.extractor.session(length).extract(window)
        except torch.OutOfMemoryError as error:
            return self.too_little_memory(size, length, error)
        return ''

    def too_little_memory(self, size: tuple[int, int], length: int, error: Exception) -> str:
        """What to say of an out-of-memory error on images of a size (H, W) in px."""
        height, width = self._network_size(size)
        return (
            f'{self.extractor.device} has too little memory for windows of {length} frames '
            f'at {width}x{height} px with {self.extractor.name} in {self.extractor.dtype}: {error}'
        )

    def free_memory(self) -> None:
        """Give back the memory of everything that can be computed again."""
        self.reset()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _stream(self, frames: Sequence[BufferedFrame]) -> Descriptors:
        """Descriptors of frames, by a session that is shown those it has not seen."""
        missing = [f for f in frames if f.frame.stamp not in self._known]
        if missing and not self._follows(missing[0]):
            self.reset()
            missing = list(frames)
        if missing and self._ahead is not None:
            self._know(missing[:1], self._ahead.described.result())
            self._ahead = None
            missing = missing[1:]
        if missing:
            self._know(missing, self._run(missing))
        described = Descriptors.concatenate([self._known[f.frame.stamp] for f in frames])
        # a single image is described again if tracking goes back to it
        keep = self._keep if self.extractor.streaming else 1
        while len(self._known) > keep:
            self._known.popitem(last=False)
        return described

    def _follows(self, entry: BufferedFrame) -> bool:
        """Whether a frame is the next one for the session as it is."""
        return (entry.segment, entry.number) == self._next and (
            self._ahead is None or self._ahead.entry.frame is entry.frame
        )

    def _know(self, frames: Sequence[BufferedFrame], found: Descriptors) -> None:
        for place, entry in enumerate(frames):
            self._known[entry.frame.stamp] = found[place : place + 1]
        self._next = frames[-1].segment, frames[-1].number + 1

    def _describe_beside(self, entry: BufferedFrame, work: Work) -> Descriptors:
        work.begin()
        return self._run([entry])

    def _let_go_of_ahead(self) -> None:
        if self._ahead is None:
            return
        wait([self._ahead.described])
        self._ahead = None
        self._next = NOWHERE  # the session knows of it

    def _run(self, frames: Sequence[BufferedFrame]) -> Descriptors:
        """Show frames to the session of a stream."""
        images = torch.stack([self.input_of(entry.frame.image) for entry in frames])
        stamps = tuple(entry.frame.stamp for entry in frames)
        return self._describe(self._session, Window(images, stamps, len(frames)))

    def _extract(self, frames: Sequence[BufferedFrame], new: int) -> Descriptors:
        stamps = tuple(entry.frame.stamp for entry in frames)
        before, self._inputs = self._inputs, {}  # what no later window shows is let go
        for entry in frames:
            image = before.get(entry.frame.stamp)
            if image is None:
                image = self.input_of(entry.frame.image)
            self._inputs[entry.frame.stamp] = image
        images = torch.stack(list(self._inputs.values()))
        return self._describe(self._session, Window(images, stamps, new))

    def _describe(self, session: Session, window: Window) -> Descriptors:
        found = session.extract(window)
        return add_colours(found, window.images[-window.new :], self._colour)

    def _network_size(self, size: tuple[int, int]) -> tuple[int, int]:
        return network_size(size, self._resolution, self.extractor.size_multiple)
