"""`drift points`: queries in, files out."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from drift_ros.cli.main import make_app
from drift_ros.errors import DriftError
from drift_ros.io.bags import BagReader
from drift_ros.points.queries import grid, parse_grid, read_queries


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A smooth texture that moves right by 4 px per frame, as a folder of five pictures."""
    place = tmp_path_factory.mktemp('frames')
    rng = np.random.default_rng(3)
    wide = cv2.resize(rng.uniform(0, 255, (10, 20, 3)), (256, 96), interpolation=cv2.INTER_CUBIC)
    for t in range(5):
        picture = wide[:, 128 - 4 * t : 256 - 4 * t].clip(0, 255).astype(np.uint8)
        cv2.imwrite(str(place / f'{t:05d}.png'), picture)
    return place


def invoke(folder: Path, queries: str, out: Path, *more: str) -> Result:
    arguments = ['points', str(folder), '--queries', queries, '--out', str(out)]
    small = ['--features', 'patch', '--set', 'features.resolution=0']
    return CliRunner().invoke(make_app(), [*arguments, *small, *more])


def test_writes_rows_arrays_and_a_video(folder: Path, tmp_path: Path) -> None:
    (tmp_path / 'queries.csv').write_text('frame,x,y\n0,40,40.5\n2,60,30\n')
    out = tmp_path / 'out'
    result = invoke(folder, str(tmp_path / 'queries.csv'), out)
    assert result.exit_code == 0, result.output
    rows = list(csv.DictReader((out / 'points.csv').open()))
    assert [(int(r['frame']), int(r['id'])) for r in rows] == [
        *((t, 1) for t in (0, 1)),
        *((t, id_) for t in (2, 3, 4) for id_ in (1, 2)),
    ]
    assert float(rows[-2]['x']) == pytest.approx(40 + 16, abs=2.5)
    with np.load(out / 'points.npz') as arrays:
        assert arrays['points'].shape == (2, 5, 2)
        np.testing.assert_allclose(arrays['query_points'][0], [0, 41 / 96, 40.5 / 128], atol=1e-6)
        assert arrays['query_points'][1, 0] == 2
        assert np.isnan(arrays['points'][1, :2]).all()
        assert arrays['occluded'][1, :2].all()
        assert not arrays['occluded'][0].any()
        assert arrays['ids'].tolist() == [1, 2]
        assert np.diff(arrays['stamps']).min() > 0
    with av.open(str(out / 'points.mp4')) as video:
        pictures = [frame.to_ndarray(format='rgb24') for frame in video.decode(video=0)]
    assert len(pictures) == 5
    plain = cv2.imread(str(folder / '00004.png'))[..., ::-1].astype(int)
    near = np.abs(pictures[4].astype(int) - plain)[40, 52:60].max()
    assert near > 60  # the dot of the first point
    with BagReader(out / 'bag') as bag:
        messages = [message for _, _, message in bag.messages()]
    assert [m.ids.tolist() for m in messages] == [[1], [1], [1, 2], [1, 2], [1, 2]]
    assert messages[-1].positions[0].x == pytest.approx(float(rows[-2]['x']), abs=1e-3)
    assert not messages[0].has_position_3d.any()
    again = invoke(folder, str(tmp_path / 'queries.csv'), out)
    assert 'nothing was recomputed' in again.output
    assert invoke(folder, 'grid:4', out).exit_code == 2
    assert invoke(folder, 'grid:4', out, '--overwrite', '--no-video').exit_code == 0
    assert not (out / 'points.mp4').exists()
    with np.load(out / 'points.npz') as arrays:
        assert arrays['points'].shape == (12, 5, 2)


def test_a_grid_has_its_points_in_the_middle_of_equal_boxes() -> None:
    points = grid((60, 80), 4)
    assert points.positions.shape == (12, 2)
    np.testing.assert_allclose(points.positions[0], [9.5, 9.5])
    np.testing.assert_allclose(points.positions[-1], [69.5, 49.5])
    assert parse_grid('grid') == 20
    assert parse_grid('grid:7') == 7
    assert parse_grid('points.csv') is None


@pytest.mark.parametrize(
    'text',
    ['', 'x,z\n1,2\n', 'x,y\n', 'x,y\n1,two\n', 'x,y\n1,nan\n', 'frame,x,y\n-1,1,1\n', 'x,y\n1\n'],
)
def test_refuses_files_that_hold_no_points(tmp_path: Path, text: str) -> None:
    (tmp_path / 'queries.csv').write_text(text)
    with pytest.raises(DriftError):
        read_queries(tmp_path / 'queries.csv')


@pytest.mark.parametrize('queries', ['grid:0', 'grid:x', 'missing.csv', '{}/queries.csv'])
def test_says_what_is_wrong_with_queries(folder: Path, tmp_path: Path, queries: str) -> None:
    (tmp_path / 'queries.csv').write_text('frame,x,y\n0,40,40.5\n7,60,30\n')
    result = invoke(folder, queries.format(tmp_path), tmp_path / 'out')
    assert result.exit_code == 2
    assert 'Traceback' not in result.output


def test_says_how_many_points_a_grid_makes(folder: Path, tmp_path: Path) -> None:
    result = invoke(folder, 'grid:100', tmp_path / 'out')
    assert result.exit_code == 2
    assert 'grid:100 makes' in ' '.join(result.output.split())
    assert '--set points.most=' in ' '.join(result.output.split())


def test_other_frames_under_the_same_name_are_another_run(tmp_path: Path, folder: Path) -> None:
    frames, out = tmp_path / 'frames', tmp_path / 'out'
    shutil.copytree(folder, frames)
    assert invoke(frames, 'grid:4', out, '--no-video', '--no-bag').exit_code == 0
    cv2.imwrite(str(frames / '00004.png'), np.zeros((96, 128, 3), np.uint8))
    again = invoke(frames, 'grid:4', out, '--no-video', '--no-bag')
    assert again.exit_code == 2 and 'input_digest' in again.output


def test_points_behind_the_end_cost_no_earlier_run(tmp_path: Path, folder: Path) -> None:
    queries, out = tmp_path / 'queries.csv', tmp_path / 'out'
    assert invoke(folder, 'grid:4', out, '--no-video', '--no-bag').exit_code == 0
    queries.write_text('frame,x,y\n0,40,40.5\n5,60,30\n')
    refused = invoke(folder, str(queries), out, '--overwrite')
    assert refused.exit_code == 2 and '5 frames, 0 to 4' in refused.output
    assert (out / 'points.csv').exists()
