"""`drift render` writes what it is asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from drift_ros import synthetic
from drift_ros.cli import main
from drift_ros.io.bags import BagReader

SMALL = ['--width', '64', '--height', '48', '--frames', '2']


def run(*arguments: str):
    return CliRunner().invoke(main.make_app(), ['render', *arguments])


def test_a_set_as_a_davis_folder(tmp_path: Path) -> None:
    out = tmp_path / 'set'
    result = run('kubric-similar', '--layout', 'davis', '--out', str(out), *SMALL)
    assert result.exit_code == 0, result.output
    names = (out / 'ImageSets/2017/val.txt').read_text().split()
    assert names == [f'kubric-similar-{i:02d}' for i in range(14)]
    assert len(list(out.rglob('*.jpg'))) == len(list(out.rglob('*.png'))) == 28
    settings = synthetic.defaults('kubric-similar').model_copy(
        update={'width': 64, 'height': 48, 'frames': 2}
    )
    frame = synthetic.create('kubric-similar-04', settings).render(1)
    with Image.open(out / 'Annotations/480p/kubric-similar-04/00001.png') as labels:
        np.testing.assert_array_equal(np.asarray(labels), frame.labels)


def test_one_video_as_a_bag_and_a_set_as_bags(tmp_path: Path) -> None:
    one, many = tmp_path / 'one', tmp_path / 'many'
    result = run('similar-2-01', '--out', str(one), *SMALL)
    assert result.exit_code == 0, result.output
    result = run('similar-2', '--split', 'val', '--out', str(many), *SMALL)
    assert result.exit_code == 0, result.output
    bags = [one, *sorted(many.iterdir())]
    assert [bag.name for bag in bags[1:]] == [f'similar-2-val-{i:02d}' for i in range(8)]
    for bag in (bags[0], bags[3]):
        with BagReader(bag) as reader:
            assert reader.count('/camera/image') == 2


def test_defaults_are_those_of_the_scene(tmp_path: Path) -> None:
    out = tmp_path / 'crossing'
    size = ['--width', '32', '--height', '24']
    assert run('crossing', '--layout', 'davis', '--out', str(out), *size).exit_code == 0
    assert len(list(out.rglob('*.jpg'))) == 96


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        (['nothing'], 'unknown scene'),
        (['crossing', '--layout', 'tar'], 'bag or davis'),
        (['crossing', '--depth', 'mono8'], '16UC1 or 32FC1'),
        (['similar-2', '--split', 'train'], 'test or val'),
        (['similar-2', '--seed', '3'], 'fixes its seeds'),
    ],
)
def test_wrong_arguments_are_named(tmp_path: Path, arguments: list[str], said: str) -> None:
    result = run(*arguments, '--out', str(tmp_path / 'out'))
    assert result.exit_code == 2 and said in result.stderr
    assert not (tmp_path / 'out').exists()
