"""How clips are cut for video transformers, and what is found in chunks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from drift_ros import features
from drift_ros.cli.options import tracker_settings
from drift_ros.features import Descriptors, FeatureExtractor, Window
from drift_ros.points.chunks import ChunkedTracker, cut
from drift_ros.settings import TrackerSettings, build


@given(st.integers(1, 400), st.integers(2, 25), st.booleans())
def test_every_frame_is_in_a_chunk(others: int, length: int, interleaved: bool) -> None:
    chunks = list(cut(others, length, interleaved))
    assert {i for chunk in chunks for i in chunk} == set(range(1, others + 1))
    assert all(chunk == sorted(set(chunk)) and len(chunk) < length for chunk in chunks)


@given(st.integers(13, 400))
def test_the_number_of_passes_is_the_one_derived_from_the_release(frames: int) -> None:
    step, rest = divmod(frames, 12)
    assert len(list(cut(frames - 1, 13))) == max(step, step + rest - 1)


@pytest.mark.parametrize(
    ('frames', 'passes'), [(2, 1), (12, 1), (13, 1), (34, 11), (50, 5), (104, 15)]
)
def test_passes_of_clips(frames: int, passes: int) -> None:
    assert len(list(cut(frames - 1, 13))) == passes


class Tagged(FeatureExtractor):
    """One head that finds a frame's cells one cell further right per frame, if it sees the first
    frame of the clip in the same window.
    """

    name = 'tagged'
    window_length = 4
    size_multiple = 4
    device = torch.device('cpu')
    dtype = torch.float32
    heads = (('0', 0),)

    def __init__(self) -> None:
        self.windows: list[tuple[int, ...]] = []

    def extract(self, window: Window) -> Descriptors:
        self.windows.append(window.stamps)
        y, x = torch.meshgrid(torch.arange(8.0), torch.arange(16.0), indexing='ij')
        queries, keys = [], []
        for stamp in window.stamps[-window.new :]:
            shift = stamp - 1
            queries.append(torch.stack([x - shift, y, torch.ones_like(x)]))
            keys.append(torch.stack([x - shift, y, -((x - shift) ** 2 + y**2) / 2]))
        return Descriptors((torch.stack(queries),), (torch.stack(keys) * 2,), 4)


@pytest.mark.parametrize('chunks', ['interleaved', 'consecutive'])
@pytest.mark.parametrize('visibility', ['cycle', 'always'])
def test_points_are_followed_in_chunks_that_begin_with_their_frame(
    chunks: str, visibility: str
) -> None:
    values = {'points.chunks': chunks, 'points.visibility': visibility, 'features.resolution': 0}
    tracker = ChunkedTracker(extractor := Tagged(), build(TrackerSettings, values))
    video = np.zeros((8, 32, 64, 3), np.uint8)
    positions = np.float32([[13.5, 13.5], [9.5, 17.5]])
    found, visible = tracker.track(video, np.array([0, 2]), positions)
    assert visible.all()
    for row, first in ((0, 0), (1, 2)):
        steps = np.arange(8 - first)
        expected = positions[row] + 4 * np.stack([steps, 0 * steps], 1)
        np.testing.assert_allclose(found[row, first:], expected, atol=0.05)
    assert all(stamps[0] == 1 for stamps in extractor.windows)


def test_the_preset_is_the_released_protocol() -> None:
    settings = tracker_settings('difftrack')
    points = settings.points
    assert settings.features.name == 'video-dit'
    assert (points.readout, points.directions, points.divisor) == ('field', 'both', 'heads')
    assert (points.half_cell, points.visibility, points.refresh) == (False, 'always', 0)
    assert points.chunks == 'interleaved'
    assert not points.heads


def test_interleaved_clips_are_stretched_to_3_by_2_as_released() -> None:
    shapes = {}
    for chunks in ('interleaved', 'consecutive'):
        extractor = Tagged()
        extractor.size_multiple = 16
        seen: list[tuple[int, ...]] = []
        extract = extractor.extract

        def spy(window: Window, seen=seen, extract=extract) -> Descriptors:  # type: ignore[no-untyped-def]
            seen.append(tuple(window.images.shape[2:]))
            return extract(window)

        extractor.extract = spy  # type: ignore[method-assign]
        values = {'points.chunks': chunks, 'features.resolution': 64}
        tracker = ChunkedTracker(extractor, build(TrackerSettings, values))
        tracker.track(np.zeros((3, 48, 48, 3), np.uint8), np.array([0]), np.float32([[20, 20]]))
        shapes[chunks] = set(seen)
    assert shapes == {'interleaved': {(64, 96)}, 'consecutive': {(64, 64)}}


@pytest.mark.parametrize('model', ['cogvideox-2b', 'cogvideox-5b', 'hunyuanvideo'])
def test_the_released_protocol_runs_on_untrained_models(model: str) -> None:
    untrained = [f'features.dit.model={model}', 'features.dit.checkpoint=untrained']
    settings = tracker_settings('difftrack', None, 'cpu', [*untrained, 'features.resolution=32'])
    extractor = features.create(settings.features)
    tracker = ChunkedTracker(extractor, settings)
    rng = np.random.default_rng(0)
    video = rng.integers(0, 256, (5, 48, 64, 3)).astype(np.uint8)
    found, visible = tracker.track(video, np.array([0, 1]), np.float32([[20, 20], [40, 30]]))
    assert visible.all()
    assert np.isfinite(found).all()
