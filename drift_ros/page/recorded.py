"""A recording on the desk: prompts on any of its frames, tracking, corrections, results."""

from __future__ import annotations

import logging
import shutil
import tempfile
import threading
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drift_ros.errors import DriftError, PromptError
from drift_ros.io.frames import open_source
from drift_ros.offline.tracking_run import TrackingRequest, TrackingRun
from drift_ros.page.cursor import Cursor
from drift_ros.page.draft import Draft, clean_name
from drift_ros.page.pictures import Picture
from drift_ros.prompts import Segmenter, TimedPrompt, create_segmenter
from drift_ros.prompts.files import write_prompts
from drift_ros.prompts.validate import MAX_ID
from drift_ros.settings import TrackerSettings
from drift_ros.structures import TrackedObject, TrackingResult
from drift_ros.tracking.measure import measure
from drift_ros.tracking.prompting import paint, segment

log = logging.getLogger(__name__)

PROMPTS, RESULTS, ARCHIVE = 'prompts.yaml', 'tracked', 'results.zip'
MOST_PROMPTS = 1000


class Recording:
    """A bag, a video or a folder of pictures, shared by all pages.

    Args:
        source: as of `drift track`.
        settings: how to track.
        out: folder for prompts and results; None: a temporary one.
        topic, fps: as of `open_source`.

    Attributes:
        cursor: its frames.
        prompts: what was accepted, by frame.
        running: whether it is being tracked.
        problem: why the last tracking ended early; empty: it did not.
        done: number of the last frame that was tracked, plus one.
        revision: counts the changes of the prompts, which make results out of date.

    Raises:
        SourceError: the source cannot be read.
    """

    def __init__(
        self,
        source: Path,
        settings: TrackerSettings,
        out: Path | None = None,
        topic: str | None = None,
        fps: float | None = None,
    ) -> None:
        opened = open_source(source, topic, fps, settings.stream.max_pixels)
        self.name, self.fps = opened.name, opened.fps
        self.cursor = Cursor(opened)
        self._temporary = None if out else Path(tempfile.mkdtemp(prefix='drift_page_'))
        self.out = out or self._temporary or Path()
        self._request = TrackingRequest(
            source=source,
            prompts=self.out / PROMPTS,
            out=self.out / RESULTS,
            settings=settings,
            topic=topic,
            fps=fps,
            overwrite=True,
        )
        self._lock = threading.RLock()
        self._segmenting, self._packing = threading.Lock(), threading.Lock()
        self._segmenter: Segmenter | None = None
        self._masks: dict[tuple[int, int], NDArray[np.uint8]] = {}  # packed, by frame and id
        self._results: dict[int, tuple[bytes, tuple[TrackedObject, ...]]] = {}
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self.prompts: list[TimedPrompt] = []
        self.problem = ''
        self.done = self.revision = 0

    # -------------------------------------------------------------------------------- pictures

    def picture(self, index: int) -> Picture:
        """What is known about a frame: tracked or marked.

        Raises:
            SourceError: it cannot be read.
        """
        frame = self.cursor.frame(index)
        with self._lock:
            result = self._results.get(frame.index)
            marked = {id_: m for (k, id_), m in self._masks.items() if k == frame.index}
        if result is not None:
            labels = np.frombuffer(zlib.decompress(result[0]), np.uint8).reshape(frame.size)
            names = self.names
            known = tuple(replace(obj, name=names.get(obj.id, obj.name)) for obj in result[1])
            return Picture(frame, labels, known)
        labels = np.zeros(frame.size, np.uint8)
        masks = {i: _unpacked(m, frame.size) for i, m in marked.items()}
        paint(labels, masks)
        names = {target: name for target, name in self.names.items() if target in masks}
        return Picture(frame, labels, measure(labels, names, dict.fromkeys(names, 1.0)))

    def version(self, index: int) -> tuple[int, int, bool]:
        """Another one where `picture` of a frame would show something else."""
        with self._lock:
            return index, self.revision, index in self._results

    @property
    def names(self) -> dict[int, str]:
        """Id -> name of the targets, in the order of their ids."""
        with self._lock:
            given = {t.prompt.id: t.prompt.name for t in self.prompts}
        return dict(sorted(given.items()))

    def marked_frames(self, target_id: int) -> list[int]:
        """Numbers of the frames that a target is marked on."""
        with self._lock:
            return sorted(t.frame or 0 for t in self.prompts if t.prompt.id == target_id)

    # --------------------------------------------------------------------------------- prompts

    def preview(self, draft: Draft) -> NDArray[np.bool_]:
        """See `Desk`; by the segmenter of the settings."""
        prompt = draft.prompt()
        with self._segmenting:  # and not what pages wait for
            if self._segmenter is None:
                from drift_ros.features.device import choose_device

                settings = self._request.settings
                device = choose_device(settings.features.device)
                self._segmenter = create_segmenter(settings.prompts, device)
            number = prompt.id or 1
            return segment(self._segmenter, draft.picture.frame, [prompt], [number])[number]

    def accept(self, draft: Draft) -> int:
        """See `Desk`. A second prompt for a target on a frame takes the place of the first."""
        mask = self.preview(draft)
        with self._lock:
            self._refuse_while_running()
            if len(self.prompts) >= MOST_PROMPTS:
                raise PromptError(f'{MOST_PROMPTS} prompts are the most that a page takes')
            names = self.names
            target = draft.target or next((i for i in range(1, MAX_ID + 1) if i not in names), 0)
            if not target:
                raise PromptError(f'no id is left: remove one of the {MAX_ID} targets')
            name = clean_name(draft.name) or names.get(target, '')
            frame = draft.picture.frame.index
            prompt = replace(draft.prompt(), id=target, name=name)
            self.prompts = [
                t for t in self.prompts if (t.prompt.id, t.frame) != (target, frame)
            ] + [TimedPrompt(prompt, frame)]
            self.prompts.sort(key=lambda t: (t.frame or 0, t.prompt.id))
            self._masks[frame, target] = np.packbits(mask)
            self._forget_from(frame)
            self._changed()
        return target

    def rename(self, target_id: int, name: str) -> None:
        """See `Desk`."""
        name = clean_name(name)
        with self._lock:
            self.prompts = [
                replace(t, prompt=replace(t.prompt, name=name)) if t.prompt.id == target_id else t
                for t in self.prompts
            ]
            self._changed()

    def remove(self, target_id: int) -> None:
        """See `Desk`: its prompts are forgotten on all frames, and what was tracked."""
        with self._lock:
            self._refuse_while_running()
            self.prompts = [t for t in self.prompts if t.prompt.id != target_id]
            self._masks = {k: m for k, m in self._masks.items() if k[1] != target_id}
            self._forget_from(0)
            self._changed()

    # -------------------------------------------------------------------------------- tracking

    @property
    def running(self) -> bool:
        """Whether it is being tracked."""
        return self._thread is not None and self._thread.is_alive()

    def track(self) -> None:
        """Begin to track the whole recording, as `drift track` does, in a thread of its own.

        Raises:
            PromptError: nothing is marked, or it runs already.
        """
        with self._lock:
            self._refuse_while_running()
            if not self.prompts:
                raise PromptError('mark an object first: click on it, then Add')
            self.write_prompts()
            self._forget_from(0)
            self.problem, self.done = '', 0
            self._stop.clear()
            self._thread = threading.Thread(target=self._run, name='tracking', daemon=True)
            self._thread.start()
            self._changed()

    def stop(self) -> None:
        """End tracking after the frame that is being tracked."""
        self._stop.set()

    def close(self) -> None:
        """End everything; temporary files go."""
        self.stop()
        if self._thread is not None:
            self._thread.join(10)
        self.cursor.close()
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)

    def write_prompts(self) -> Path:
        """Write the file that `drift track --prompts` reads. Returns its path.

        Raises:
            OutputError: it cannot be written.
        """
        self.out.mkdir(parents=True, exist_ok=True)
        with self._lock:
            write_prompts(self._request.prompts, self.prompts)
        return self._request.prompts

    def archive(self) -> Path:
        """Put prompts and results into one zip file. Returns its path.

        Raises:
            PromptError: nothing was tracked, or it is being tracked.
        """
        with self._lock:
            self._refuse_while_running()
            if not self._results:
                raise PromptError('nothing was tracked yet')
        path = self.out / ARCHIVE
        with self._packing, zipfile.ZipFile(path, 'w') as archive:
            archive.write(self._request.prompts, PROMPTS)
            for file in sorted(self._request.out.rglob('*')):
                if file.is_file():
                    archive.write(file, file.relative_to(self._request.out))
        return path

    def _run(self) -> None:
        try:
            with TrackingRun(self._request) as run:
                run.execute(self._count, self._take)
        except KeyboardInterrupt:
            self.problem = 'stopped'
        except DriftError as error:
            self.problem = str(error)
        except Exception as error:
            log.exception('tracking failed')
            self.problem = f'{type(error).__name__}: {error}'
        finally:
            self._changed()

    def _count(self, done: int) -> None:
        self.done = done
        if self._stop.is_set():
            raise KeyboardInterrupt

    def _take(self, result: TrackingResult) -> None:
        packed = zlib.compress(result.labels.tobytes(), 1)
        with self._lock:
            self._results[result.frame.index] = packed, result.objects

    def _forget_from(self, frame: int) -> None:
        """What was tracked from a frame on is out of date."""
        self._results = {k: result for k, result in self._results.items() if k < frame}

    def _refuse_while_running(self) -> None:
        if self.running:
            raise PromptError('it is being tracked: stop that first')

    def _changed(self) -> None:
        self.revision += 1


def _unpacked(mask: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.bool_]:
    return np.unpackbits(mask, count=size[0] * size[1]).reshape(size).view(np.bool_)
