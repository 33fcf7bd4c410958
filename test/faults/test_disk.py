"""Disks that are full or read-only: one line says it, and what is left says truly what it is."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from clips import SIZE, picture, red_mask
from command import drift
from davis_folders import davis_folder
from PIL import Image
from recordings import MS, Bag, moving, stamp
from room import Room
from safetensors.torch import load_file

from drift_ros.errors import OutputError, SourceError
from drift_ros.io import messages
from drift_ros.io.bag_writer import BagWriter
from drift_ros.io.bags import BagReader
from drift_ros.runs.locks import writing_alone
from drift_ros.training import run

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

SHORT = ('--size', '64x64', '--frames', 4, '--steps', 1)

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
    with pytest.raises(OutputError, match='mcap recover'):
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


def is_true(folder: Path) -> None:
    """What a command left says truly what it is: no file passes for more than it holds."""
    assert not leftovers(folder)
    for file in [folder, *folder.rglob('*')]:
        if file.suffix == '.json':
            record = json.loads(file.read_text())
            done = (file.parent / 'results.json').exists()  # all but the page
            state = 'finished' if done else 'failed'
            assert file.name != 'run.json' or record['state'] == state
        elif file.suffix == '.html':
            assert file.read_text().endswith('</html>\n')
        elif file.suffix in ('.png', '.jpg'):
            Image.open(file).load()
        elif file.suffix == '.safetensors':
            load_file(file)
        elif file.name == 'metadata.yaml':
            with BagReader(file.parent) as bag:
                assert list(bag.raw())


def evaluate(folder: Path) -> list[Any]:
    data = davis_folder(folder / 'data', ['a'])
    return ['evaluate', data, '--layout', 'davis', '--features', 'flow']


def sweep(folder: Path) -> list[Any]:
    data = davis_folder(folder / 'data', ['a'])
    return ['sweep', data, '--layout', 'davis', '--over', 'propagation.top_k=1,2', *FAST]


def compare(folder: Path) -> list[Any]:
    assert drift(*evaluate(folder), '--out', folder / 'evaluated')[0] == 0
    return ['compare', folder / 'evaluated', folder / 'evaluated']


def score(folder: Path) -> list[Any]:
    bag = Bag()
    for index in range(4):
        bag.image(stamp(index))
        bag.labels(stamp(index), moving(index))
        bag.result(stamp(index), moving(index), {1: 'cup', 2: 'box'}, 25 * MS)
    live = bag.write(folder / 'live')
    return ['score', live, '--truth', live, '--labels', '/tracker/labels']


def train(folder: Path) -> list[Any]:
    small = ['channels=[32,32]', 'readout=[16,16]', 'context=32', 'depth=1']
    video = ['width=32', 'height=32', 'frames=4', 'points=16', 'most=1', 'balls=0']
    values = [*(f'network.{v}' for v in small), *(f'video.{v}' for v in video)]
    values += ['views=[[32, 2]]', 'pool=1', 'workers=0']
    network = [word for value in values for word in ('--set', value)]
    return ['train-embedded', '--device', 'cpu', '--steps', 1, *network]


COMMANDS: dict[str, Callable[[Path], list[Any]]] = {
    'convert': lambda folder: ['convert', folder / 'frames'],
    'track': lambda f: ['track', f / 'frames', '--prompts', f / 'first.png', *FAST],
    'render': lambda _: ['render', 'crossing', '--frames', 2, '--width', 64, '--height', 48],
    'evaluate': evaluate,
    'sweep': sweep,
    'compare': compare,
    'score': score,
    'pca': lambda folder: ['pca', folder / 'frames', '--features', 'patch'],
    'train-embedded': train,
    'generate': lambda _: ['generate', '--model', 'embedded', '--device', 'cpu', *SHORT],
}


@pytest.mark.usefixtures('frames', 'prompts')
@pytest.mark.parametrize('name', COMMANDS)
def test_every_command_says_which_file_found_no_room(tmp_path, monkeypatch, name):
    monkeypatch.setattr(run, 'crossing_clips', lambda *_: [])  # of the validation of a training
    command = COMMANDS[name](tmp_path)
    refused = 0
    for size in (100, 8000, 100_000):
        out = tmp_path / str(size)
        with Room(size):
            code, said = drift(*command, '--out', out)
        if code == 0:
            break
        assert code == 2 and str(out) in said and 'File too large' in said, said
        is_true(out)
        refused += 1
        # there is room again: the same command goes on, or says what to do
        code, said = drift(*command, '--out', out)
        if code:
            words = [word for word in ('--overwrite', '--resume') if word in said]
            if not words:
                assert 'remove it first' in said, said
                shutil.rmtree(out)
            code, said = drift(*command, '--out', out, *words)
        assert code == 0, said
    assert refused


def test_two_runs_do_not_share_a_folder(frames, prompts, tmp_path):
    arguments = ['track', frames, '--prompts', prompts, '--out', tmp_path / 'out', *FAST]
    with writing_alone(tmp_path / 'out'):
        code, said = drift(*arguments, '--overwrite')
        assert code == 2 and 'another run is writing' in said
    assert drift(*arguments)[0] == 0
