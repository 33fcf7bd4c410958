"""Parameters come from the settings model, and refuse what it refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip('rclpy', reason='the room ros needs rclpy')

import rclpy
from rclpy.node import Node
from rclpy.parameter import Parameter

from drift_ros.errors import SettingsError
from drift_ros.node_settings import NodeSettings, dynamic_names
from drift_ros.ros.parameters import Parameters
from drift_ros.settings import fields, flatten

Make = Callable[..., tuple[Node, Parameters]]


@pytest.fixture
def make() -> Iterator[Make]:
    context = rclpy.Context()
    rclpy.init(context=context)
    nodes = []

    def make(configured: bool = False, **overrides: Any) -> tuple[Node, Parameters]:
        given = [Parameter(name.replace('__', '.'), value=v) for name, v in overrides.items()]
        node = Node(
            'tracker',
            context=context,
            parameter_overrides=given,
            automatically_declare_parameters_from_overrides=True,
        )
        nodes.append(node)
        return node, Parameters(node, lambda: configured)

    yield make
    for node in nodes:
        node.destroy_node()
    rclpy.shutdown(context=context)


def refusal(node: Node, name: str, value: Any) -> str:
    result = node.set_parameters([Parameter(name, value=value)])[0]
    assert not result.successful
    return str(result.reason)


def test_every_setting_is_a_parameter_with_its_default(make: Make) -> None:
    node, _ = make()
    for name, value in flatten(NodeSettings()).items():
        assert node.get_parameter(name).value == value


def test_descriptors_carry_description_and_range(make: Make) -> None:
    node, _ = make()
    for name, info in fields(NodeSettings):
        assert node.describe_parameter(name).description == info.description
    resolution = node.describe_parameter('features.resolution').integer_range[0]
    assert (resolution.from_value, resolution.to_value) == (0, 4096)
    slop = node.describe_parameter('depth.slop').floating_point_range[0]
    assert (slop.from_value, slop.to_value) == (0.0, 1.0)
    transport = node.describe_parameter('image_transport')
    assert 'one of: raw, compressed' in transport.additional_constraints
    assert node.describe_parameter('autostart').read_only


def test_overrides_reach_the_settings(make: Make) -> None:
    node, parameters = make(window__stride=3, depth__slop=0.5, image_transport='compressed')
    assert parameters.settings.window.stride == 3
    assert parameters.settings.depth.slop == 0.5
    assert parameters.settings.image_transport == 'compressed'
    assert node.get_parameter('window.stride').value == 3


def test_an_integer_serves_for_a_float(make: Make) -> None:
    node, parameters = make(max_rate=5)
    assert parameters.settings.max_rate == 5.0
    assert isinstance(node.get_parameter('max_rate').value, float)
    assert node.set_parameters([Parameter('max_rate', value=7)])[0].successful
    assert parameters.settings.max_rate == 7.0


def test_unknown_override_names_the_closest(make: Make) -> None:
    with pytest.raises(SettingsError, match=r"unknown setting 'window.strid'.*'window.stride'"):
        make(window__strid=3)


@pytest.mark.parametrize(
    ('name', 'value', 'said'),
    [
        ('window__length', 1000, r"'window.length' is 1000.*less than or equal to 128"),
        ('depth__slop', -0.5, r"'depth.slop' is -0.5.*greater than or equal to 0"),
        (
            'propagation__temperature',
            0.0,
            r"'propagation.temperature' is 0.0.*greater than or equal to 0.001",
        ),
        ('image_transport', 'theora', r"'image_transport' is 'theora'.*'raw' or 'compressed'"),
        ('features__device', 'gpu', r"'features.device' is 'gpu'.*match pattern"),
        ('window__length', '8', r"'window.length' is '8': it must be of type int"),
        ('autostart', 1, r"'autostart' is 1: it must be of type bool"),
        ('queue', True, r"'queue' is True: it must be of type int"),
    ],
)
def test_bad_override_is_named_with_what_is_allowed(
    make: Make, name: str, value: Any, said: str
) -> None:
    with pytest.raises(SettingsError, match=said):
        make(**{name: value})


def test_changes_are_checked_like_overrides(make: Make) -> None:
    node, parameters = make()
    before = parameters.settings
    reason = refusal(node, 'window.length', 1000)
    assert 'window.length' in reason
    assert '1000' in reason
    assert '128' in reason
    assert '0.001' in refusal(node, 'propagation.temperature', 0.0)
    assert "'raw' or 'compressed'" in refusal(node, 'image_transport', 'theora')
    assert 'type int' in refusal(node, 'queue', 'many')
    assert 'read-only' in refusal(node, 'autostart', True)
    assert parameters.settings == before


def test_a_change_that_needs_a_new_configuration_says_how(make: Make) -> None:
    node, parameters = make(configured=True)
    reason = refusal(node, 'window.length', 8)
    assert "'window.length'" in reason
    assert 'clean up' in reason
    assert node.get_parameter('window.length').value == 0
    assert node.set_parameters([Parameter('window.length', value=0)])[0].successful
    assert node.set_parameters([Parameter('max_rate', value=9.0)])[0].successful
    assert parameters.settings.max_rate == 9.0
    assert 'max_rate' in dynamic_names()


def test_parameters_of_rclpy_are_left_alone(make: Make) -> None:
    node, _ = make(use_sim_time=True, **{'qos_overrides./image.subscription.depth': 7})
    assert node.get_parameter('use_sim_time').value is True
    assert node.get_parameter('qos_overrides./image.subscription.depth').value == 7
