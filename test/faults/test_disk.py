"""Disks that are full or read-only: one line says it, and what is left says truly what it is."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from clips import SIZE, picture, red_mask
from davis_folders import davis_folder
from PIL import Image
from typer.testing import CliRunner

from drift_ros.cli.main import make_app
from drift_ros.errors import OutputError, SourceError
from drift_ros.io import messages
from drift_ros.io.bag_writer import BagWriter
from drift_ros.io.bags import BagReader
from drift_ros.runs.locks import writing_alone

FAST = (
    '--features',
    'patch',
    '--set',
    'features.resolution=64',
    '--set',
    'propagation.radius=6',
    '--device',
    'cpu',
)

Disk = Callable[[int], Path]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """Makes a disk of so many kB."""
    place = tmp_path / 'disk'
    place.mkdir()
    mounted = []

    def make(size: int) -> Path:
        command = ['mount', '-t', 'tmpfs', '-o', f'size={size}k', 'tmpfs', str(place)]
        if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip('small disks are mounted by root alone')
        mounted.append(place)
        return place

    yield make
    for mount in mounted:
        subprocess.run(['umount', '-l', str(mount)], check=False)


def remount(disk: Path, options: str) -> None:
    subprocess.run(['mount', '-o', f'remount,{options}', str(disk)], check=True)


def drift(*arguments: object) -> tuple[int, str]:
    found = CliRunner().invoke(make_app(), [str(a) for a in arguments])
    assert isinstance(found.exception, SystemExit | None), found.exc_info
    return found.exit_code, ' '.join(found.output.split())


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    """Pictures that do not compress."""
    folder = tmp_path / 'frames'
    folder.mkdir()
    noise = np.random.default_rng(0)
    for index in range(6):
        image = picture(index) // 2 + noise.integers(0, 128, (*SIZE, 3), np.uint8)
        cv2.imwrite(str(folder / f'{index:02d}.png'), image[..., ::-1])
    return folder


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    values = np.zeros(SIZE, np.uint8)
    values[red_mask(0)] = 1
    path = tmp_path / 'first.png'
    Image.fromarray(values).save(path)
    return path


def leftovers(folder: Path) -> list[str]:
    return [file.name for file in folder.rglob('*') if file.name.endswith(('.part', '.tmp'))]


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_convert_leaves_no_bag(disk, frames, storage):
    out = disk(32) / 'bag'
    code, said = drift('convert', frames, '--out', out, '--storage', storage)
    assert code == 2 and str(out) in said
    assert not out.exists()


@pytest.mark.parametrize('size', [12, 24, 32, 40, 48, 56])
def test_track_says_that_it_failed_and_how_to_go_on(disk, frames, prompts, size):
    out = disk(size) / 'out'
    arguments = ['track', frames, '--prompts', prompts, '--out', out, *FAST]
    code, said = drift(*arguments)
    assert code == 2 and str(out) in said
    record = json.loads((out / 'run.json').read_text())
    assert record['state'] == 'failed' and 'No space left' in record['error']
    assert not leftovers(out)
    code, said = drift(*arguments)
    assert code == 2 and 'failed' in said and 'No space left' in said and '--overwrite' in said
    remount(out.parent, 'size=50m')
    code, said = drift(*arguments, '--overwrite')
    assert code == 0, said
    assert json.loads((out / 'run.json').read_text())['state'] == 'finished'


def test_label_maps_are_whole_or_not_there(disk, frames, prompts):
    out = disk(60) / 'out'
    drift('track', frames, '--prompts', prompts, '--out', out, '--no-bag', '--no-overlay', *FAST)
    for file in (out / 'labels').iterdir():
        assert np.asarray(Image.open(file)).shape == SIZE


@pytest.mark.parametrize('size', [16, 32, 48])
def test_evaluate_goes_on_when_there_is_room(disk, tmp_path, size):
    out = disk(size) / 'out'
    data = davis_folder(tmp_path / 'data', ['a', 'b', 'c'])
    arguments = ['evaluate', data, '--layout', 'davis', '--features', 'flow', '--out', out]
    code, said = drift(*arguments)
    assert code == 2 and str(out) in said
    record = json.loads((out / 'run.json').read_text())
    assert record['state'] == 'failed' and 'No space left' in record['error']
    assert not leftovers(out) and not (out / 'results.json').exists()
    remount(out.parent, 'size=50m')
    code, said = drift(*arguments)
    assert code == 0 and '3 of 3' in said
    assert json.loads((out / 'run.json').read_text())['state'] == 'finished'


@pytest.mark.parametrize('layout', ['bag', 'davis'])
def test_render(disk, layout):
    out = disk(64) / 'out'
    code, said = drift('render', 'crossing', '--out', out, '--layout', layout, '--frames', 4)
    assert code == 2 and str(out) in said


def fill(bag: Path, count: int) -> None:
    noise = np.random.default_rng(0)
    with BagWriter(bag) as writer:
        for stamp in range(1, count + 1):
            pixels = noise.integers(0, 256, (100, 100, 3), np.uint8)
            image = messages.image(pixels, 'rgb8', stamp, 'camera')
            writer.write('/image', messages.IMAGE, image, stamp)


def test_a_bag_that_is_recorded_is_cut_off_and_not_taken_for_a_whole_one(disk):
    out = disk(2048) / 'bag'
    with pytest.raises(OutputError, match=r'cut off there.*mcap recover'):
        fill(out, 100)
    assert [file.name for file in out.iterdir()] == ['bag.mcap']
    with pytest.raises(SourceError):
        BagReader(out)


def test_a_bag_that_lacks_room_for_its_end_alone(disk):
    place = disk(40)
    with pytest.raises(OutputError, match='mcap recover'):
        fill(place / 'bag', 2)
    assert not leftovers(place)


def test_read_only(disk, frames, prompts, tmp_path):
    place = disk(1024)
    remount(place, 'ro')
    data = davis_folder(tmp_path / 'data', ['a'])
    for arguments in (
        ['track', frames, '--prompts', prompts, '--out', place / 'out', *FAST],
        ['convert', frames, '--out', place / 'bag'],
        ['evaluate', data, '--layout', 'davis', '--features', 'flow', '--out', place / 'out'],
        ['render', 'crossing', '--out', place / 'out', '--frames', 4],
        ['pca', frames, '--out', place / 'out', '--features', 'patch'],
    ):
        code, said = drift(*arguments)
        assert code == 2 and 'Read-only file system' in said, said
    assert not list(place.iterdir())


def test_two_runs_do_not_share_a_folder(frames, prompts, tmp_path):
    arguments = ['track', frames, '--prompts', prompts, '--out', tmp_path / 'out', *FAST]
    with writing_alone(tmp_path / 'out'):
        code, said = drift(*arguments, '--overwrite')
        assert code == 2 and 'another run is writing' in said
    assert drift(*arguments)[0] == 0
