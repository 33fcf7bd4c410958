"""Points through videos with known tracks: files of TAP-Vid, rendered ones, baselines."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from drift_ros.cli.main import make_app
from drift_ros.errors import SourceError
from drift_ros.evaluation.points import rendered, run, tap_vid
from drift_ros.evaluation.points.clips import PointClip
from drift_ros.evaluation.points.methods import ChainedFlow, Still


def moving(frames: int = 6, step: int = 4, side: int = 128) -> PointClip:
    """A smooth texture that moves right, with points on it."""
    rng = np.random.default_rng(3)
    wide = cv2.resize(
        rng.uniform(0, 255, (10, 20, 3)), (2 * side, side), interpolation=cv2.INTER_CUBIC
    )
    wide = wide.clip(0, 255).astype(np.uint8)
    video = np.stack([wide[:, side - step * t : 2 * side - step * t] for t in range(frames)])
    start = np.float32([[30.5, 40.5], [64.5, 64.5], [20.5, 90.5]])
    move = np.float32([[step * t, 0] for t in range(frames)])
    tracks = (start[:, None] + move[None]) / side
    return PointClip('moving', video, tracks, np.zeros((3, frames), bool))


def as_entry(clip: PointClip) -> dict[str, NDArray[Any]]:
    return {'video': clip.video, 'points': clip.tracks, 'occluded': clip.occluded}


@pytest.mark.parametrize('protocol', [2, 4, 5])
@pytest.mark.parametrize('layout', ['davis', 'kinetics'])
def test_reads_pickles_of_arrays(tmp_path: Path, layout: str, protocol: int) -> None:
    clip = moving(side=256)
    entry: dict[str, Any] = as_entry(clip)
    if layout == 'kinetics':
        jpegs = [cv2.imencode('.jpg', image[..., ::-1])[1].tobytes() for image in clip.video]
        entry['video'] = np.array(jpegs) if protocol == 5 else jpegs
        content: Any = [entry, entry]
    else:
        content = {'moving': entry}
    (tmp_path / '0000_of_0010.pkl').write_bytes(pickle.dumps(content, protocol))
    found = list(tap_vid.clips(tmp_path))
    assert len(found) == (2 if layout == 'kinetics' else 1)
    np.testing.assert_allclose(found[0].tracks, clip.tracks)
    np.testing.assert_allclose(found[0].video, clip.video, atol=0 if layout == 'davis' else 30)
    assert found[0].name == ('moving' if layout == 'davis' else '0000_of_0010-0000')


def test_videos_are_brought_to_the_size_of_the_benchmark(tmp_path: Path) -> None:
    (tmp_path / 'a.pkl').write_bytes(pickle.dumps({'moving': as_entry(moving())}))
    (clip,) = tap_vid.clips(tmp_path / 'a.pkl', limit=4)
    assert clip.video.shape == (4, 256, 256, 3)
    assert clip.tracks.shape == (3, 4, 2)


class Malicious:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def test_a_pickle_never_runs_code(tmp_path: Path) -> None:
    entry = as_entry(moving()) | {'more': Malicious(tmp_path / 'made')}
    (tmp_path / 'a.pkl').write_bytes(pickle.dumps({'moving': entry}))
    with pytest.raises(SourceError):
        list(tap_vid.clips(tmp_path / 'a.pkl'))
    assert not (tmp_path / 'made').exists()


@pytest.mark.parametrize(
    'content',
    [
        b'',
        b'not a pickle',
        pickle.dumps({'a': np.zeros(3)})[:-20],
        pickle.dumps(5),
        pickle.dumps({'a': 5}),
        pickle.dumps({'a': {'video': [b'no picture'], 'points': 1, 'occluded': 1}}),
        pickle.dumps({'a': as_entry(moving()) | {'points': np.zeros((2, 2))}}),
        pickle.dumps({'a': as_entry(moving()) | {'video': np.zeros((6, 8, 8), np.float32)}}),
    ],
)
def test_refuses_what_is_no_such_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / 'a.pkl').write_bytes(content)
    with pytest.raises(SourceError):
        list(tap_vid.clips(tmp_path / 'a.pkl'))
    with pytest.raises(SourceError):
        list(tap_vid.clips(tmp_path / 'missing.pkl'))


def test_flow_follows_a_moving_texture_and_no_motion_does_not(tmp_path: Path) -> None:
    clip = moving()
    still, flow = (
        run.evaluate([clip], method, tmp_path / method.name, mode)
        for method, mode in ((Still(), 'first'), (ChainedFlow(), 'strided'))
    )
    assert flow['mean']['AJ'] > 0.9
    assert still['mean']['delta1'] == 0
    assert still['mean']['OA'] == 1
    with np.load(tmp_path / 'flow' / 'tracks' / 'moving.npz') as found:
        rows = found['tracks']
        np.testing.assert_allclose(found['points'], clip.tracks[rows], atol=2 / 128)
    assert json.loads((tmp_path / 'flow' / run.RESULTS).read_text()) == flow


def test_rendered_points_are_the_same_each_time_and_are_hidden_at_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small = rendered.SETTINGS.model_copy(update={'width': 128, 'height': 96, 'points': 40})
    monkeypatch.setattr(rendered, 'SETTINGS', small)
    first, again = (rendered.clip('val', 1) for _ in range(2))
    np.testing.assert_array_equal(first.video, again.video)
    np.testing.assert_array_equal(first.tracks, again.tracks)
    assert first.video.shape == (24, 96, 128, 3)
    assert not np.array_equal(first.video, rendered.clip('test', 1).video)
    assert 0 < first.occluded.mean() < 0.8


def test_the_command_scores_a_tracker_on_a_pickle(tmp_path: Path) -> None:
    (tmp_path / 'a.pkl').write_bytes(pickle.dumps({'moving': as_entry(moving())}))
    arguments = ['evaluate', str(tmp_path / 'a.pkl'), '--layout', 'tap-vid', '--features', 'patch']
    arguments += ['--set', 'features.resolution=0', '--out', str(tmp_path / 'out')]
    result = CliRunner().invoke(make_app(), arguments)
    assert result.exit_code == 0, result.output
    record = json.loads((tmp_path / 'out' / 'results.json').read_text())
    assert record['sequences']['moving']['delta16'] > 0.9
    assert 'moving' in result.output
    assert CliRunner().invoke(make_app(), [*arguments, '--queries', 'some']).exit_code == 2


def test_the_command_knows_the_rendered_sets(tmp_path: Path) -> None:
    arguments = ['evaluate', 'rendered-dots', '--layout', 'rendered-points', '--out', str(tmp_path)]
    result = CliRunner().invoke(make_app(), [*arguments, '--features', 'no-motion'])
    assert result.exit_code == 2
    assert 'rendered-points-long' in result.output
