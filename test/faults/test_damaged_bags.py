"""Bytes of a bag that changed on the way are noticed, wherever they are."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from command import drift
from recordings import Bag, moving, stamp

from drift_ros.errors import SourceError
from drift_ros.io.bags import BagReader

FRAMES = 12


def recording(place: Path) -> Path:
    bag = Bag()
    for index in range(FRAMES):
        bag.image(stamp(index))
        bag.labels(stamp(index), moving(index))
    return bag.write(place)


def read(bag: Path) -> list[bytes]:
    with BagReader(bag) as reader:
        return [data for _, _, _, data in reader.raw()]


def flip(bag: Path, places: np.ndarray) -> None:
    file = bag / f'{bag.name}.mcap'
    data = bytearray(file.read_bytes())
    for place in places:
        data[place] ^= 0xFF
    file.write_bytes(data)


def evaluate(data: Path, out: Path) -> tuple[int, str]:
    words = ['evaluate', data, '--layout', 'bag', '--features', 'flow', '--out', out]
    return drift(*words, '--no-pictures')


def test_flipped_bytes_are_never_scored(tmp_path):
    for name in ('whole', 'damaged'):
        recording(tmp_path / 'data' / name)
    bag = tmp_path / 'data' / 'damaged'
    size = (bag / 'damaged.mcap').stat().st_size
    flip(bag, np.random.default_rng(0).integers(size // 4, 3 * size // 4, 200))
    code, said = evaluate(tmp_path / 'data', tmp_path / 'out')
    assert code == 3 and '1 of 2 sequences' in said
    record = json.loads((tmp_path / 'out' / 'results.json').read_text())
    assert list(record['refused']) == ['damaged'] and list(record['sequences']) == ['whole']
    assert 'damaged' in record['refused']['damaged']


def test_any_byte_that_matters(tmp_path):
    bag = recording(tmp_path / 'bag')
    whole = read(bag)
    file = bag / 'bag.mcap'
    data = file.read_bytes()
    noticed = 0
    for place in np.random.default_rng(1).integers(0, len(data), 60).tolist():
        flip(bag, np.array([place]))
        try:
            assert read(bag) == whole, f'byte {place} changed a message and nobody noticed'
        except SourceError:
            noticed += 1
        file.write_bytes(data)
    assert noticed > 40


def test_the_index(tmp_path):
    bag = recording(tmp_path / 'bag')
    data = (bag / 'bag.mcap').read_bytes()
    start = int.from_bytes(data[-28:-20], 'little')
    flip(bag, np.arange(start + 200, start + 204))
    with pytest.raises(SourceError, match='index'):
        BagReader(bag)


def test_exit_code_of_an_evaluation_without_refusals(tmp_path):
    recording(tmp_path / 'data' / 'whole')
    assert evaluate(tmp_path / 'data', tmp_path / 'out')[0] == 0
