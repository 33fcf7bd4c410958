"""Files that people hand over are read or refused in a moment, whatever is in them."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
import recordings

from drift_ros.cli.options import tracker_settings
from drift_ros.errors import DriftError
from drift_ros.evaluation.datasets import Selection
from drift_ros.evaluation.datasets.youtube_vos import open_youtube_vos
from drift_ros.evaluation.reporting.reading import read_results
from drift_ros.evaluation.sweep import parse_axis
from drift_ros.features.checkpoints.parts import read_config
from drift_ros.io.bags import BagReader
from drift_ros.io.calibration import read_calibration
from drift_ros.prompts import read_prompts
from drift_ros.runs.run_folder import RunFolder
from drift_ros.settings import TrackerSettings, build, read_yaml

MOMENT = 2.0  # s of the CPU


def merges(levels: int = 12, width: int = 9) -> str:
    """Mappings that take in the one before many times over."""
    lines = ['a0: &a0 {x: 1, y: 2}']
    for level in range(1, levels + 1):
        names = ', '.join([f'*a{level - 1}'] * width)
        lines.append(f'a{level}: &a{level} {{<<: [{names}]}}')
    return '\n'.join(lines)


POINTS = ', '.join(['[1, 2]'] * 2500)
YAML = {
    'merges': merges(),
    'deep': '[' * 5000,
    'deep mappings': '{a: ' * 5000,
    'digits': 'prompts: [{box: [1, 2, 3, 4], id: ' + '9' * 100_000 + '}]',
    'hexadecimal digits': 'x: 0x' + 'f' * 100_000,
    'digits to the base 60': 'x: ' + '59:' * 30_000 + '59',
    'aliases': f'x: &e {{points: [{POINTS}]}}\nprompts: [' + '*e, ' * 3000 + ']',
    'itself': 'prompts: &a [*a]',
    'values': 'prompts: [' + '1, ' * 1_000_000 + ']',
    'entries': 'prompts: [' + '{box: no}, ' * 9_000 + ']',
    'size': '# ' + 'x' * 5_000_000,
    'a long name': 'x' * 1_000_000 + ': 1',
    'a date that is none': 'x: 2001-99-99',
    'an object': 'x: !!python/object/apply:os.system ["touch pwned"]',
    'a list for a key': '{[1, 2]: 3}',
}
JSON = {
    'deep': '[' * 200_000,
    'deep mappings': '{"a":' * 200_000,
    'digits': '{"prompts": [{"box": [1, 2, 3, 4], "id": ' + '9' * 100_000 + '}]}',
    'values': '[' + '1,' * 1_000_000 + '1]',
    'size': '"' + 'x' * 5_000_000 + '"',
}


def settings(path: Path) -> object:
    return build(TrackerSettings, read_yaml(path))


def refused(read: Callable[[Path], object], path: Path) -> None:
    begin = time.process_time()
    with pytest.raises(DriftError) as caught:
        read(path)
    assert time.process_time() - begin < MOMENT
    assert len(str(caught.value)) < 5000


@pytest.mark.parametrize('read', [read_prompts, settings, read_calibration])
@pytest.mark.parametrize('case', YAML)
def test_yaml(tmp_path, case, read):
    path = tmp_path / 'file.yaml'
    path.write_text(YAML[case])
    refused(read, path)
    assert not Path('pwned').exists()


@pytest.mark.parametrize('case', JSON)
def test_json(tmp_path, case):
    path = tmp_path / 'prompts.json'
    path.write_text(JSON[case])
    refused(read_prompts, path)


@pytest.mark.parametrize('case', ['deep', 'deep mappings'])
def test_other_json(tmp_path, case):
    for name in ('JPEGImages', 'Annotations'):
        (tmp_path / name).mkdir()
    for name in ('run.json', 'results.json', 'config.json', 'meta.json'):
        (tmp_path / name).write_text(JSON[case])
    refused(lambda path: RunFolder(path, {}), tmp_path)
    refused(read_results, tmp_path)
    refused(read_config, tmp_path)
    refused(lambda path: open_youtube_vos(path, Selection()), tmp_path)


@pytest.mark.parametrize('case', ['merges', 'deep', 'aliases', 'itself'])
def test_metadata_of_bags(tmp_path, case):
    bag = recordings.Bag()
    bag.image(recordings.stamp(0))
    path = bag.write(tmp_path / 'bag')
    (path / 'metadata.yaml').write_text(YAML[case])
    refused(BagReader, path)


@pytest.mark.parametrize('value', ['[' * 5000, '9' * 100_000, merges(), '*a', '\0'])
def test_values_on_the_command_line(value):
    refused(lambda path: tracker_settings(assignments=[f'propagation.top_k={value}']), Path())
    refused(lambda path: parse_axis(f'propagation.top_k={value}'), Path())


def test_endless_files(tmp_path):
    refused(read_prompts, Path('/dev/zero'))
    refused(settings, Path('/dev/zero'))


def test_ordinary_anchors_and_merges_are_taken(tmp_path):
    path = tmp_path / 'prompts.yaml'
    path.write_text(
        'prompts:\n- &cup {name: cup, box: [1, 2, 3, 4]}\n- {<<: *cup, name: other}\n'
        '- {name: many, points: &p [[1, 2], [3, 4]]}\n- {name: more, points: *p}\n'
    )
    assert [timed.prompt.name for timed in read_prompts(path)] == ['cup', 'other', 'many', 'more']
