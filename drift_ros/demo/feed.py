"""Feeds a bag to a tracker node: frame by frame, prompted in time, never faster than asked for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Protocol

from drift_ros.errors import DriftError
from drift_ros.prompts.files import TimedPrompt

ANSWER_TIMEOUT = 600.0  # s without any result until the tracker counts as stuck
PATIENCE = 5.0  # times the longest wait for a result so far, until frames under way count as lost
MIN_PATIENCE = 15.0  # s
RESEND = 2.0  # s after which a first frame that got lost is sent again
POLL = 0.002


class StuckError(DriftError):
    """The tracker answers nothing."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """One image with what came since the image before it.

    Attributes:
        index: number of the image.
        stamp: its stamp in ns.
        time: when it was recorded, in ns.
        messages: topic and bytes, the image last.
    """

    index: int
    stamp: int
    time: int
    messages: Sequence[tuple[str, bytes]]


def bundles(
    raw: Iterable[tuple[str, str, int, bytes]],
    image: str,
    stamp_of: Callable[[bytes], int],
    count: int | None = None,
) -> Iterator[Bundle]:
    """Group serialized messages (topic, type, time, bytes) by the images of the topic `image`."""
    waiting: list[tuple[str, bytes]] = []
    index = 0
    for topic, _, received, data in raw:
        if index == count:
            return
        waiting.append((topic, bytes(data)))
        if topic == image:
            yield Bundle(index, stamp_of(data), received, waiting)
            waiting, index = [], index + 1


class Progress(Protocol):
    """What the tracker has published so far."""

    newest: int
    """Stamp in ns of the newest result, 0 if there is none."""

    results: int
    """Number of results."""

    stride: int
    """New frames per window; 0 if not known yet."""


Send = Callable[[str, bytes], None]
Prompt = Callable[[Sequence[TimedPrompt], Bundle, bool], None]


@dataclass(slots=True)
class Feeder:
    """Sends bundles and prompts.

    Attributes:
        prompt: names targets on a frame; its last argument is whether there were targets before.
        rate: speed relative to the recording; 0: as fast as the tracker answers, at most 1.
        sent: stamps of the frames that were sent.
    """

    send: Send
    prompt: Prompt
    progress: Progress
    alive: Callable[[], None]
    rate: float = 0.0
    sent: list[int] = field(default_factory=list)
    _longest: float = 0.0  # wait for a result in s
    _results_before: int = 0  # number at the last prompt

    def run(
        self,
        source: Iterable[Bundle],
        prompts: Sequence[TimedPrompt],
        on_frame: Callable[[Bundle], None] = lambda bundle: None,
    ) -> int:
        """Send everything.

        Returns:
            Stamp in ns of the first prompted frame.

        Raises:
            StuckError: nothing is answered for `ANSWER_TIMEOUT` seconds.
            DriftError: a prompt names a frame that the source does not have; or what `prompt` and
                `alive` raise.
        """
        left = list(prompts)
        first = 0
        begin: tuple[float, int] | None = None  # monotonic s and recorded ns from which time runs
        speed = self.rate or 1.0
        for bundle in source:
            if begin is not None:
                due = begin[0] + (bundle.time - begin[1]) / 1e9 / speed
                time.sleep(max(0.0, due - time.monotonic()))
            if first and not self.rate:
                late = self._wait_for_room()
                if begin is not None:
                    begin = (begin[0] + late, begin[1])
            self._send(bundle)
            on_frame(bundle)
            now = [p for p in left if p.is_on(bundle.index, bundle.stamp)]
            if now:
                if not first:
                    self._settle(bundle)
                self._results_before = self.progress.results
                self.prompt(now, bundle, bool(first))
                left = [p for p in left if p not in now]
                first = first or bundle.stamp
                begin = (time.monotonic(), bundle.time)
        if left:
            wanted = ', '.join(map(str, left))
            raise DriftError(f'prompts name frames that were not played: {wanted}')
        if first:  # whole windows come by themselves
            self._wait_for_room()
        return first

    def _send(self, bundle: Bundle) -> None:
        self.alive()
        if bundle.stamp not in self.sent[-1:]:  # else it is sent again
            self.sent.append(bundle.stamp)
        for topic, data in bundle.messages:
            self.send(topic, data)

    def _wait_for_room(self) -> float:
        """Wait until the tracker cannot have to drop a frame; returns how long that took in s.

        As many frames may wait before it as enter a window, and while it publishes the results of
        one window it takes none in.

        Frames that get lost on the way are never answered: after a while they are given up.
        """
        begin = time.monotonic()
        seen, since = self.progress.results, begin
        while self._under_way() >= max(1, self.progress.stride):
            now = time.monotonic()
            if self.progress.results != seen:
                self._longest = max(self._longest, now - since)
                seen, since = self.progress.results, now
            # The first window may take any time; after it the tracker's pace is known.
            patience = max(MIN_PATIENCE, PATIENCE * self._longest)
            if seen > self._results_before and now - since > patience:
                break
            self._check(since)
        return time.monotonic() - begin

    def _under_way(self) -> int:
        newest = self.progress.newest
        return sum(1 for _ in takewhile(lambda stamp: stamp > newest, reversed(self.sent)))

    def _settle(self, bundle: Bundle) -> None:
        """Wait until the node has labelled the frame that is to be prompted first."""
        begin = sent = time.monotonic()
        while self.progress.newest < bundle.stamp:
            # Best-effort messages may get lost; one that arrives twice is skipped by its stamp.
            if time.monotonic() - sent > RESEND:
                self._send(bundle)
                sent = time.monotonic()
            self._check(begin)

    def _check(self, since: float) -> None:
        self.alive()
        if time.monotonic() - since > ANSWER_TIMEOUT:
            raise StuckError(
                f'no result from the tracker in {ANSWER_TIMEOUT:g} s; its log may say why'
            )
        time.sleep(POLL)
