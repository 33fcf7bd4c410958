"""A run over a recording: checks, the loop over the frames, and its record."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import platform
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch

import drift_ros
from drift_ros.errors import DeviceError, OutputError, SourceError
from drift_ros.io.bags import SUFFIXES as BAG_SUFFIXES
from drift_ros.io.frames import FolderSource, open_source
from drift_ros.io.writers import ResultWriter
from drift_ros.runs.interrupts import interrupts_held
from drift_ros.runs.locks import writing_alone
from drift_ros.runs.run_folder import FAILED, FILES, FINISHED, INTERRUPTED, RunFolder
from drift_ros.settings import TrackerSettings, flatten
from drift_ros.structures import FailedFrames, Frame, TrackerOutput, TrackingResult
from drift_ros.tracking import Tracker, Upcoming
from drift_ros.tracking.upcoming import Peekable

if TYPE_CHECKING:
    from typing_extensions import Self

BAG = 'bag'
VERSIONS = ('torch', 'numpy', 'diffusers', 'transformers')


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is to be looked at, and what is to be written.

    Attributes:
        source: a bag, a video or a folder of frames.
        out: folder for the results.
        settings: of the tracker.
        topic: of the bag; None for the only one with images.
        fps: frames per second of a folder or video; None for its own.
        video: whether a video is made.
        bag: whether a bag is made.
        overwrite: whether the results of another run in the folder are replaced.
    """

    source: Path
    out: Path
    settings: TrackerSettings
    topic: str | None = None
    fps: float | None = None
    video: bool = True
    bag: bool = True
    overwrite: bool = False


class OfflineRun(ABC):
    """A run over one source. A context manager.

    Raises:
        SourceError: the source cannot be read.
        OutputError: the output folder cannot be used.

    Attributes:
        command: what it is called.
        video: name of its video.
        results: number of frames with a result so far.
        seconds: that the run took.
    """

    command: ClassVar[str]
    video: ClassVar[str]

    def __init__(self, request: Request) -> None:
        self.results = 0
        self.seconds = 0.0
        self._request = request
        pixels = request.settings.stream.max_pixels
        self.source = open_source(request.source, request.topic, request.fps, pixels)
        try:
            # The header of a video may promise too little: there the end of the run decides.
            if self.source.count is not None and self.source.kind != 'video':
                self._check_frames(self.source.count)
            self.folder = RunFolder(request.out, self.identity)
        except BaseException:
            self.source.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.source.close()

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What has to be equal for two runs to give the same results."""
        request = self._request
        return {
            'command': self.command,
            'version': drift_ros.__version__,
            'input': str(request.source.resolve()),
            'input_digest': self._digest_source(),
            'topic': getattr(self.source, 'topic', None),
            'fps': self.source.fps,
            **self._asked(),
            'video': request.video,
            'bag': request.bag,
            'settings': flatten(request.settings),
        }

    @property
    def written(self) -> list[str]:
        """Names of the files and folders (with a slash) that it makes."""
        video, bag = self._request.video, self._request.bag
        return [*self._files, *[self.video] * video, *[f'{BAG}/'] * bag]

    @property
    def overwrite(self) -> bool:
        """Whether the results of another run are replaced."""
        return self._request.overwrite

    @property
    def rate(self) -> float:
        """Frames with results per second."""
        return self.results / self.seconds if self.seconds else 0.0

    def execute(
        self,
        on_frame: Callable[[int], None] = lambda done: None,
        on_result: Callable[[TrackingResult], None] = lambda result: None,
    ) -> None:
        """Go through all frames and write all results.

        Args:
            on_frame: called after every frame with the number of frames that are done; a
                KeyboardInterrupt from it ends the run in order.
            on_result: called with every result that was written.

        Raises:
            DriftError: something was wrong; what was written before stays.
        """
        # Before the folder is touched: missing weights must not cost an earlier run.
        tracker = self._make_tracker()
        with writing_alone(self._request.out):
            names = [name.rstrip('/') for name in self.written]
            self.folder.begin(self._request.overwrite, [*names, FILES])
            started = time.monotonic()
            state, problem = FAILED, ''
            try:
                with ExitStack() as stack:
                    self._loop(tracker, self._open_writers(stack), on_frame, on_result)
                self._check_end()
                state = FINISHED
            except KeyboardInterrupt:
                state = INTERRUPTED
                raise
            except torch.OutOfMemoryError as error:
                problem = (
                    f'{tracker.extractor.device} ran out of memory: {error}; lower '
                    'features.resolution or window.length, or set features.dtype to float16'
                )
                raise DeviceError(problem) from error
            except BaseException as error:
                problem = str(error) or type(error).__name__
                raise
            finally:
                self.seconds = time.monotonic() - started
                self.folder.save(state, error=problem, **self._facts(tracker), **self._found())
                self.folder.close()

    # ---- what runs differ in

    _files: ClassVar[tuple[str, ...]]  # beside video and bag

    @abstractmethod
    def _asked(self) -> Mapping[str, Any]:
        """What else has to be equal."""

    @abstractmethod
    def _make_tracker(self) -> Tracker: ...

    @abstractmethod
    def _step(self, frame: Frame, upcoming: Upcoming) -> list[TrackerOutput]: ...

    @abstractmethod
    def _writers(self) -> Iterator[ResultWriter]:
        """Open the writers, one by one, and tell the folder of each file before it is made."""

    @abstractmethod
    def _count(self, result: TrackingResult) -> None: ...

    @abstractmethod
    def _found(self) -> Mapping[str, Any]:
        """What else the record says."""

    @abstractmethod
    def _check_frames(self, count: int) -> None:
        """Refuse what is asked of frames behind the end of the source, which has so many.

        Raises:
            PromptError: there is such a frame.
        """

    def _check_end(self) -> None:
        """Refuse what the source did not have.

        Raises:
            SourceError: no frame could be used.
        """
        if not self.results:
            raise SourceError(
                f'no frame of {self._request.source} could be used: '
                f'{"; ".join(self.source.skipped[:3]) or "it is empty"}'
            )

    # ---- what they have in common

    def _digest_source(self) -> str:
        """Of names, sizes and times of change: reading hours of video would take too long."""
        path = self._request.source
        files = [path]
        if isinstance(self.source, FolderSource):
            files = self.source.files
        elif path.is_dir():
            files = sorted(file for file in path.iterdir() if file.suffix in BAG_SUFFIXES)
        stats = [(f.name, f.stat().st_size, f.stat().st_mtime_ns) for f in files]
        return hashlib.sha256(repr(stats).encode()).hexdigest()[:16]

    def _open_writers(self, stack: ExitStack) -> list[ResultWriter]:
        def close(writer: ResultWriter, broken: bool) -> None:
            try:
                writer.close()
            except OutputError:
                if not broken:  # else what went wrong before is what is said
                    raise

        writers = []
        for writer in self._writers():
            stack.push(lambda kind, *_, writer=writer: close(writer, kind is not None))
            writers.append(writer)
        return writers

    def _created(self, name: str) -> Path:
        """Where a file will be; the folder knows of it from now on."""
        path = self._request.out / name
        self.folder.created(path)
        return path

    def _created_bag(self) -> Path:
        for file in (f'{BAG}.mcap', 'metadata.yaml'):
            self._created(f'{BAG}/{file}')
        return self._request.out / BAG

    def _loop(
        self,
        tracker: Tracker,
        writers: Sequence[ResultWriter],
        on_frame: Callable[[int], None],
        on_result: Callable[[TrackingResult], None],
    ) -> None:
        def put(outputs: Sequence[TrackerOutput]) -> None:
            for output in outputs:
                if isinstance(output, FailedFrames):
                    raise output.error
                with interrupts_held():  # so that a frame is in all files or in none
                    for writer in writers:
                        writer.write(output)
                    self.results += 1
                    self._count(output)
                on_result(output)

        frames = Peekable(self.source.frames())
        for frame in frames:
            put(self._step(frame, frames.peek))
            on_frame(frame.index + 1)
        put(tracker.flush())

    def _facts(self, tracker: Tracker) -> dict[str, Any]:
        return {
            'device': str(tracker.extractor.device),
            'dtype': str(tracker.extractor.dtype).removeprefix('torch.'),
            'extractor': tracker.extractor.name,
            'segmenter': tracker.segmenter.name,
            'window': dict(zip(('length', 'stride'), tracker.window, strict=True)),
            'versions': {
                'drift_ros': drift_ros.__version__,
                'python': platform.python_version(),
                **{name: importlib.metadata.version(name) for name in VERSIONS},
            },
            'counts': {
                **dataclasses.asdict(tracker.stats),
                'results': self.results,
                'skipped': self.source.skipped.total,
                'skipped_reasons': list(self.source.skipped),
            },
            'seconds': round(self.seconds, 3),
            'frames_per_second': round(self.rate, 3),
        }
