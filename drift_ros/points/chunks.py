"""Points through a whole clip in chunks that all begin with the frame of the queries, as the
released DiffTrack cuts them.

A video transformer compares a frame with the frame of the queries best when it has seen both in one
pass. So a clip is not cut into consecutive windows: every chunk holds the frame of the queries and
twelve of the others, spread over the clip.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from drift_ros.features.base import FeatureExtractor, Window
from drift_ros.features.colour import add_colours, colour_weight
from drift_ros.points.grid import Grid
from drift_ros.points.matching import Matcher
from drift_ros.settings import TrackerSettings
from drift_ros.tracking.prepare import network_size, to_input

WIDE = 3  # width of what the release shows its models, in halves of the height: 720x480


def cut(others: int, length: int, interleaved: bool = True) -> Iterator[list[int]]:
    """Chunks of the frames 1 to `others`, each of which is seen together with frame 0.

    Interleaved, chunk s holds the frames s, s + I, s + 2 I, ... with I = T // (length - 1) of the
    T = others + 1 frames, until every frame was in one: max(I, I + rho - 1) passes for T =
    (length - 1) I + rho. The release fails where I is 0, here it is at least 1. Otherwise chunks
    are consecutive.

    Args:
        others: number of frames besides frame 0.
        length: of a chunk, frame 0 included; at least 2.
        interleaved: which way.

    Yields:
        Numbers of frames, rising, at most length - 1 of them; the last chunks may be shorter.
    """
    most = length - 1
    if not interleaved:
        yield from (
            list(range(first, min(first + most, others + 1)))
            for first in range(1, others + 1, most)
        )
        return
    step = max(1, (others + 1) // most)
    seen: set[int] = set()
    first = 1
    while len(seen) < others:
        chunk = [i for i in range(first, first + most * step, step) if i <= others]
        seen.update(chunk)
        first += 1
        yield chunk


class ChunkedTracker:
    """Follows points through clips in chunks; every point on its own, from its query on.

    Interleaved chunks are stretched to 3:2, as the release does (480x720 for a resolution of 480).
    A frame that lies in several chunks is read in the first of them. All points are said to be
    visible, unless `points.visibility` is `cycle`.

    Args:
        extractor: describes the frames of a chunk together.
        settings: `points.chunks` says how clips are cut.
    """

    def __init__(self, extractor: FeatureExtractor, settings: TrackerSettings) -> None:
        self._extractor = extractor
        self._settings = settings
        self._colour = colour_weight(settings, extractor)
        self._matcher = Matcher(settings.points, extractor.heads)

    @torch.no_grad()
    def track(
        self,
        video: NDArray[np.uint8],
        frames: NDArray[np.int64],
        positions: NDArray[np.float32],
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Follow points from their frames to the end.

        Args:
            video: (T, H, W, 3) uint8 RGB.
            frames: (N,) number of the frame of each query.
            positions: (N, 2) (x, y) in px.

        Returns:
            (N, T, 2) positions in px and (N, T) whether the point is visible.
        """
        found = np.repeat(positions[:, None], len(video), 1)
        visible = np.ones(found.shape[:2], bool)
        for first in np.unique(frames).tolist():
            rows = np.flatnonzero(frames == first)
            self._follow(video[first:], positions[rows], found, visible, rows, first)
        return found, visible

    def _follow(
        self,
        video: NDArray[np.uint8],
        positions: NDArray[np.float32],
        found: NDArray[np.float32],
        visible: NDArray[np.bool_],
        rows: NDArray[np.int64],
        first: int,
    ) -> None:
        points, device = self._settings.points, self._extractor.device
        length = self._settings.window.length or self._extractor.window_length
        session = self._extractor.session(length)
        queries = torch.from_numpy(positions).to(device)
        done: set[int] = set()
        for chunk in cut(len(video) - 1, max(2, length), points.chunks == 'interleaved'):
            window = self._window(video, [0, *chunk])
            maps = add_colours(session.extract(window), window.images, self._colour)
            source = self._matcher.prepare(maps[:1])
            grid = Grid(video.shape[1:3], source.shape, source.stride, points.half_cell)
            start = grid.to_cells(queries)
            for place, number in enumerate(chunk, 1):
                if number in done:
                    continue
                done.add(number)
                frame = self._matcher.prepare(maps[place : place + 1])
                if points.readout == 'field':
                    cells = self._matcher.field(start, frame, source)
                else:
                    cells = self._matcher.find(source.sample(start), frame, source=source)
                found[rows, first + number] = grid.to_pixels(cells).cpu().numpy()
                if points.visibility == 'cycle':
                    back = self._matcher.find(frame.sample(cells), source, source=frame)
                    seen = (back - start).norm(dim=1) <= points.tolerance
                    visible[rows, first + number] = seen.cpu().numpy()

    def _window(self, video: NDArray[np.uint8], numbers: Sequence[int]) -> Window:
        resolution = self._settings.features.resolution
        shape = (video.shape[1], video.shape[2])
        if resolution and self._settings.points.chunks == 'interleaved':
            shape = (resolution, resolution * WIDE // 2)  # whatever the clip's own aspect
        size = network_size(shape, resolution, self._extractor.size_multiple)
        images = [to_input(video[n], size, self._extractor.device) for n in numbers]
        return Window(torch.stack(images), tuple(n + 1 for n in numbers), len(numbers))
