"""The parameter files that an integrator starts from."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import yaml

pytest.importorskip('rclpy', reason='the room ros needs rclpy')

from drift_ros.node_settings import NodeSettings, tracker_settings
from drift_ros.settings import build, flatten, read_yaml

CONFIG = Path(__file__).resolve().parents[2] / 'config'
PRESETS = sorted(
    file.name
    for file in CONFIG.glob('*.yaml')
    if file.stem != 'tracker' and not file.stem.endswith('_example')
)


def test_the_default_file_holds_the_defaults() -> None:
    given = read_yaml(CONFIG / 'tracker.yaml')
    assert given == flatten(NodeSettings())
    assert build(NodeSettings, given) == NodeSettings()


def test_every_setting_is_explained() -> None:
    lines = (CONFIG / 'tracker.yaml').read_text().splitlines()
    for above, line in pairwise(lines):
        if ': ' in line and not line.lstrip().startswith('#'):
            assert above.lstrip().startswith('#'), line


@pytest.mark.parametrize('name', ['tracker.yaml', 'cameras_example.yaml', *PRESETS])
def test_files_hold_for_a_node_of_any_name_and_namespace(name: str) -> None:
    content = yaml.safe_load((CONFIG / name).read_text())
    assert list(content) == ['/**']
    assert list(content['/**']) == ['ros__parameters']


@pytest.mark.parametrize('name', PRESETS)
def test_presets_are_valid_and_differ_from_the_defaults(name: str) -> None:
    settings = build(NodeSettings, read_yaml(CONFIG / name))
    assert tracker_settings(settings) != tracker_settings(NodeSettings())


@pytest.mark.parametrize(
    ('name', 'expected'),
    [
        # features, tau, alpha, temperature, top_k, window stride: TED paper, table 6, figures 7, 8
        ('ted_davis', ('fused', 300, 0.4, 0.2, 10, 14)),
        ('ted_davis_efficient', ('fused', 300, 0.4, 0.2, 10, 0)),
        ('ted_youtube_similar', ('fused', 600, 0.6, 0.1, 10, 14)),
        ('ted_kubric_similar', ('fused', 900, 1.0, 0.1, 10, 0)),
    ],
)
def test_presets_of_ted_are_those_of_the_paper(name: str, expected: tuple[object, ...]) -> None:
    settings = tracker_settings(build(NodeSettings, read_yaml(CONFIG / f'{name}.yaml')))
    features, propagation = settings.features, settings.propagation
    assert (
        features.name,
        features.video.noise_level,
        features.alpha,
        propagation.temperature,
        propagation.top_k,
        settings.window.stride,
    ) == expected
    assert (features.video.model, features.video.block) == ('i2vgen-xl', 2)
    image = features.image
    assert features.alpha == 1 or (image.model, image.block, image.noise_level) == ('adm', 7, 51)
    assert (propagation.radius, propagation.memory, settings.window.length) == (15, 28, 0)
    assert (propagation.window, propagation.mask_references) == ('square', True)
    assert settings.targets.visibility_threshold == 0


@pytest.mark.parametrize(
    ('name', 'expected'),
    [
        # model, ensemble, temperature, top_k: README of DIFT
        ('dift_sd', ('sd-2.1', 8, 0.2, 15)),
        ('dift_adm', ('adm', 4, 0.1, 10)),
    ],
)
def test_presets_of_dift_are_those_of_its_authors(name: str, expected: tuple[object, ...]) -> None:
    settings = tracker_settings(build(NodeSettings, read_yaml(CONFIG / f'{name}.yaml')))
    image, propagation = settings.features.image, settings.propagation
    found = (image.model, image.ensemble, propagation.temperature, propagation.top_k)
    assert found == expected
    assert (settings.features.name, image.noise_level) == ('image-unet', 51)
    assert (propagation.radius, propagation.memory) == (15, 28)
