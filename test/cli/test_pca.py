"""`drift pca` from the command line."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import Result
from typer.testing import CliRunner

from drift_ros.cli import main
from drift_ros.features.patch import PatchExtractor

RNG = np.random.default_rng(0)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    folder = tmp_path / 'clip'
    folder.mkdir()
    for number in range(4):
        noise = RNG.integers(0, 256, (48, 64, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f'{number}.png'), noise)
    return folder


def run(*arguments: object) -> Result:
    options = [str(a) for a in arguments]
    return CliRunner().invoke(
        main.make_app(), ['pca', *options, '--device', 'cpu', '--features', 'patch']
    )


def test_one_picture_per_pair(clip: Path, tmp_path: Path) -> None:
    out = tmp_path / 'out'
    result = run(clip, '--out', out, '--pair', '0:2', '--pair', '1:3')
    assert result.exit_code == 0, result.output
    assert sorted(f.name for f in out.iterdir()) == ['00000_00002.png', '00001_00003.png']
    picture = cv2.imread(str(out / '00000_00002.png'))
    assert picture is not None and picture.std() > 10


@pytest.fixture
def windowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the extractor see windows of two frames."""
    monkeypatch.setattr(PatchExtractor, 'window_length', 2)


def test_by_default_the_ends_of_the_first_window(
    clip: Path, tmp_path: Path, windowed: None
) -> None:
    for length, expected in ((0, '00000_00001'), (3, '00000_00002'), (16, '00000_00003')):
        out = tmp_path / str(length)
        result = run(clip, '--out', out, '--set', f'window.length={length}')
        assert result.exit_code == 0, result.output
        assert [file.stem for file in out.iterdir()] == [expected]


def test_single_images_need_no_window(clip: Path, tmp_path: Path) -> None:
    result = run(clip, '--out', tmp_path / 'out', '--set', 'window.length=2')
    assert result.exit_code == 0, result.output
    assert (tmp_path / 'out/00000_00003.png').is_file()


@pytest.mark.parametrize(
    ('pair', 'message'),
    [
        ('2', "--pair '2' must be two frame numbers"),
        ('3:1', "--pair '3:1' must be two frame numbers"),
        ('0:9', 'frame 9 is not there'),
        ('0:3', 'do not lie within one window of 2 frames'),
    ],
)
def test_wrong_pairs_are_explained(
    clip: Path, tmp_path: Path, windowed: None, pair: str, message: str
) -> None:
    result = run(clip, '--out', tmp_path / 'o', '--pair', pair)
    assert result.exit_code == 2 and message in ' '.join(result.stderr.split())
