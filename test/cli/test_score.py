"""`drift score` from bags to files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from label_maps import shifted
from PIL import Image
from recordings import MS, Bag, annotated, moving, stamp
from typer.testing import CliRunner

from drift_ros.cli import main
from drift_ros.evaluation.reporting.reading import read_results, read_score

COUNT = 6


def run(*arguments: object):
    return CliRunner().invoke(main.make_app(), ['score', *map(str, arguments)])


@pytest.fixture
def bags(tmp_path: Path) -> tuple[Path, Path]:
    """A tracker that is 4 px off and misses a frame, and the truth with the images."""
    bag = Bag()
    for index in range(COUNT):
        bag.image(stamp(index), stamp(index) + 5 * MS)
        if index != 3:
            labels = shifted(moving(index), 0, 4)
            bag.result(stamp(index), labels, {1: 'cup', 2: 'box'}, 25 * MS)
    truth = annotated(tmp_path / 'kitchen', [moving(index) for index in range(COUNT)])
    return bag.write(tmp_path / 'live'), truth


def test_tables_and_files(bags: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / 'out'
    result = run(bags[0], '--truth', bags[1], '--out', out)
    assert result.exit_code == 0, result.output
    for line in (
        'frames after the first prompt: 5',
        'without a result: 1 (20.0 %)',
        'with a truth: 5, 1 of them without a result',
        'latency from the stamp of an image: median 25.0 ms, 95 % 25.0 ms, highest 25.0 ms',
        'latency from the arrival of an image at the recorder: median 20.0 ms',
    ):
        assert line in result.output
    found = read_results(out)
    iou = (20 - 4) / (20 + 4)
    assert found.mean['J'] == pytest.approx(iou)
    assert found.count == (1, 1) and found.method == '/tracker'
    entry = found.sequences['kitchen']
    assert entry['live']['latency_from_arrival'] == pytest.approx(
        {'median': 0.02, 'p95': 0.02, 'highest': 0.02}
    )
    assert entry['objects']['1']['name'] == 'cup' and entry['switches'] == 0
    assert entry['seconds_per_frame'] is None
    score = read_score(out, 'kitchen')
    assert score is not None
    assert score.objects[1].frames == (1, 2, 4, 5)
    folder = out / 'sequences/kitchen'
    per_frame = json.loads((folder / 'score.json').read_text())['live']['per_frame']
    assert per_frame['stamps'] == [stamp(index) for index in range(1, COUNT)]
    assert per_frame['labelled'] == [True, True, False, True, True]
    assert per_frame['latency_from_stamp_s'][1:3] == [pytest.approx(0.025), None]
    labels = sorted(file.name for file in (folder / 'labels').iterdir())
    assert labels == ['00000.png', '00001.png', '00002.png', '00004.png', '00005.png']
    with Image.open(folder / 'labels/00004.png') as picture:
        np.testing.assert_array_equal(np.asarray(picture), shifted(moving(4), 0, 4))
    page = (out / 'report.html').read_text()
    assert 'kitchen' in page and '1 (20.0 %)' in page and 'data:image/jpeg' in page


def test_results_are_not_overwritten_unasked(bags: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / 'out'
    assert run(bags[0], '--truth', bags[1], '--out', out).exit_code == 0
    again = run(bags[0], '--truth', bags[1], '--out', out, '--count-dropped')
    assert again.exit_code == 2 and '--overwrite' in again.output
    strict = run(bags[0], '--truth', bags[1], '--out', out, '--count-dropped', '--overwrite')
    assert strict.exit_code == 0
    assert read_results(out).mean['J'] == pytest.approx((20 - 4) / (20 + 4) * 4 / 5)


def test_what_a_broken_off_run_left_can_be_overwritten(
    bags: tuple[Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / 'out'
    left = out / 'sequences' / 'kitchen' / 'labels' / '00009.png'
    left.parent.mkdir(parents=True)
    left.touch()
    refused = run(bags[0], '--truth', bags[1], '--out', out)
    assert refused.exit_code == 2 and '--overwrite' in refused.output
    assert run(bags[0], '--truth', bags[1], '--out', out, '--overwrite').exit_code == 0
    assert not left.exists() and (left.parent / '00004.png').is_file()


def test_the_folder_of_an_evaluation_is_left_alone(bags: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / 'out'
    out.mkdir()
    (out / 'run.json').write_text('{}')
    refused = run(bags[0], '--truth', bags[1], '--out', out, '--overwrite')
    assert refused.exit_code == 2 and 'another run' in refused.output
    assert [file.name for file in out.iterdir()] == ['run.json']


def test_what_is_wrong_is_one_line(bags: tuple[Path, Path], tmp_path: Path) -> None:
    result = run(bags[0], '--truth', tmp_path / 'nothing')
    assert result.exit_code == 2 and 'there is no bag at' in result.output
    result = run(bags[0], '--truth', bags[1], '--labels', '/tracker/lables')
    assert result.exit_code == 2 and 'did you mean /tracker/labels?' in result.output
