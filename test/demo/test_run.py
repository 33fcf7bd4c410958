"""The demonstration's own decisions, and the whole of it with the real node."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from rich.console import Console

pytest.importorskip('rclpy', reason='the demo needs rclpy')
pytest.importorskip('drift_ros.msg', reason='the interfaces are not built: run `make build`')

from drift_ros.demo import run
from drift_ros.demo.process import MissingNodeError, NodeDiedError, find_executable
from drift_ros.demo.run import Options, run_demo
from drift_ros.demo.topics import Topics
from drift_ros.errors import DriftError, OutputError, SettingsError, SourceError
from drift_ros.evaluation.recorded.scoring import Request, score_recording
from drift_ros.prompts.files import read_prompts


@pytest.fixture
def console() -> Console:
    return Console(quiet=True)


@pytest.fixture
def installed() -> Path:
    try:
        return find_executable()
    except MissingNodeError as error:
        pytest.skip(str(error))


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / 'thesis.tex').write_text('x')
    with pytest.raises(OutputError):
        run._prepare(tmp_path)
    with pytest.raises(OutputError):
        run._prepare(tmp_path / 'thesis.tex')
    assert (tmp_path / 'thesis.tex').read_text() == 'x'


def test_an_earlier_demo_is_replaced_and_other_files_stay(tmp_path):
    run._prepare(tmp_path)
    (tmp_path / 'input').mkdir()
    (tmp_path / 'input' / 'metadata.yaml').write_text('x')
    (tmp_path / 'report.html').write_text('x')
    (tmp_path / 'notes.txt').write_text('x')
    run._prepare(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ['node.log', 'notes.txt']


def test_the_scene_is_prompted_with_boxes_around_its_objects(tmp_path, console):
    run._prepare(tmp_path)
    source = run._source(Options(tmp_path, frames=2), console)
    assert source.count == 2 and source.topics.truth == '/truth/labels'
    near, far = read_prompts(tmp_path / 'prompts.yaml')
    assert (near.prompt.id, near.prompt.name, near.frame) == (1, 'near ball', 0)
    assert far.prompt.boxes.shape == (1, 4)
    assert source.prompts[0].prompt.name == 'near ball'


def test_a_bag_needs_prompts(tmp_path, console):
    with pytest.raises(SourceError, match='--prompts'):
        run._source(Options(tmp_path, bag=tmp_path), console)


def test_wrong_settings_are_refused_first(tmp_path, installed, console):
    config = tmp_path / 'config.yaml'
    config.write_text(yaml.safe_dump({'/**': {'ros__parameters': {'queue': -1}}}))
    with pytest.raises(SettingsError, match='queue'):
        run_demo(Options(tmp_path / 'out', config=config), console)
    assert not (tmp_path / 'out').exists()


def test_settings_are_those_of_the_node(tmp_path):
    config = tmp_path / 'config.yaml'
    parameters = {'use_sim_time': True, 'features': {'resolution': 240}, 'queue': 3}
    config.write_text(yaml.safe_dump({'/**': {'ros__parameters': parameters}}))
    settings = run._settings(Options(tmp_path, config=config, features='patch'))
    assert settings['features.resolution'] == 240 and settings['queue'] == 3
    assert settings['features.name'] == 'patch' and 'use_sim_time' not in settings


def test_the_command_remaps_what_there_is(tmp_path):
    topics = Topics('/c/image/compressed', compressed=True, depth='/c/depth')
    command = run._command(Path('/x/tracker'), topics, Options(tmp_path, features='patch'))
    assert command[:2] == ['/x/tracker', '--ros-args']
    assert 'image:=/c/image/compressed' in command and 'depth:=/c/depth' in command
    assert not any('camera_info' in argument for argument in command)
    assert 'image_transport:=compressed' in command and 'features.name:=patch' in command
    assert 'qos_overrides./c/depth.subscription.reliability:=reliable' in command


def test_from_scene_to_report_over_dds(tmp_path, installed, console):
    out = tmp_path / 'demo'
    live = run_demo(Options(out, frames=6, overlay=False), console)
    assert live.dropped == 0 and live.truth == (5, 0)
    assert live.topics['camera'] == '/camera/camera_info'
    assert min(obj.j[0] for obj in live.score.objects) > 0.5  # just after the prompts
    for found in live.position_errors.values():
        # masks do not wait for depth, so on a busy machine some have no position
        assert any(value is not None for value in found.values)
        assert all(value < 0.1 for value in found.values[:1] if value is not None)
    assert live.from_arrival is not None and live.from_arrival.median > 0
    assert not live.notes
    content = json.loads((out / 'results.json').read_text())
    assert content['diagnostics']['features'] == 'embedded'
    assert content['settings']['features.name'] == 'embedded'
    assert (out / 'report.html').stat().st_size > 50_000
    assert (out / 'overlay.mp4').stat().st_size > 1000
    # what `drift score` says of the two bags
    again = score_recording(Request(out / 'recorded', out / 'input', name='passing'))
    assert again.score == live.score and again.position_errors == live.position_errors
    # the bag and the prompts that it left, played as a user's own
    options = Options(
        tmp_path / 'again',
        bag=out / 'input',
        prompts=out / 'prompts.yaml',
        frames=3,
        rate=0.5,
        overlay=False,
    )
    assert len(run_demo(options, console).stamps) == 2


def test_a_node_that_cannot_start_says_why(tmp_path, installed, console):
    options = Options(tmp_path / 'demo', frames=2, features='nonsense')
    with pytest.raises(NodeDiedError, match=r'node\.log'):
        run_demo(options, console)
    assert 'nonsense' in (tmp_path / 'demo' / 'node.log').read_text()


def test_a_refused_prompt_ends_the_demo_with_the_nodes_reason(tmp_path, installed, console):
    prompts = tmp_path / 'prompts.yaml'
    prompts.write_text(yaml.safe_dump({'prompts': [{'points': [[9000, 0]]}]}))
    with pytest.raises(DriftError, match='9000'):
        run_demo(Options(tmp_path / 'demo', prompts=prompts, frames=2), console)
