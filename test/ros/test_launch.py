"""The launch file, run for real where launch is installed."""

from __future__ import annotations

import ast
import os
import runpy
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / 'launch' / 'tracker.launch.py'
PROMISED = {
    'namespace', 'params_file', 'use_sim_time', 'autostart', 'log_level', 'device', 'features',
    'cameras', 'image', 'camera_info', 'depth', 'rviz', 'use_respawn', 'prompts_file',
    'image_transport', 'page',
}  # fmt: skip


def test_it_compiles_and_declares_what_is_promised() -> None:
    tree = ast.parse(FILE.read_text())
    compile(tree, str(FILE), 'exec')
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    declared = {
        call.args[0].value
        for call in calls
        if isinstance(call.func, ast.Name)
        and call.func.id == 'DeclareLaunchArgument'
        and isinstance(call.args[0], ast.Constant)
    }
    assert declared == PROMISED


def test_overridden_parameters_exist() -> None:
    pytest.importorskip('rclpy', reason='the room ros needs rclpy')
    from drift_ros.node_settings import NodeSettings
    from drift_ros.settings import fields

    tree = ast.parse(FILE.read_text())
    overrides = next(
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id == 'OVERRIDES'
    )
    assert set(overrides.values()) <= {name for name, _ in fields(NodeSettings)}


@pytest.fixture
def launch_file(monkeypatch: Any) -> dict[str, Any]:
    """What the launch file defines; launch itself, of which there is no wheel, only records."""

    class Recorded:
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self.args, self.kwargs = args, kwargs

    class Recording(ModuleType):
        def __getattr__(self, name: str) -> Any:
            return type(name, (Recorded,), {})

    for name in (
        'launch', 'launch.actions', 'launch.conditions', 'launch.launch_description_sources',
        'launch.substitutions', 'launch_ros',
        'launch_ros.actions', 'launch_ros.substitutions',
    ):  # fmt: skip
        monkeypatch.setitem(sys.modules, name, Recording(name))
    for name in ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE'):
        monkeypatch.delenv(name, raising=False)
    return runpy.run_path(str(FILE))


def environment(launch_file: dict[str, Any]) -> dict[str, Any]:
    """Variables that the launch file sets, for the processes after it."""
    found: dict[str, Any] = {}
    for entity in launch_file['generate_launch_description']().args[0]:
        if type(entity).__name__ == 'SetEnvironmentVariable':
            found[entity.args[0]] = entity.args[1].args[0][1:]
        elif type(entity).__name__ == 'OpaqueFunction':
            break
    return found


def test_it_sets_the_profile_for_large_images(launch_file: dict[str, Any]) -> None:
    """Under its older and its newer name; Fast DDS looks for one of the two."""
    profile = ['config', 'fastdds.xml']
    assert environment(launch_file) == {
        'FASTRTPS_DEFAULT_PROFILES_FILE': profile,
        'FASTDDS_DEFAULT_PROFILES_FILE': profile,
    }
    assert (ROOT / 'config' / 'fastdds.xml').is_file()


def test_the_page_is_started_only_when_it_is_asked_for(launch_file: dict[str, Any]) -> None:
    entities = launch_file['generate_launch_description']().args[0]
    page = next(e for e in entities if type(e).__name__ == 'ExecuteProcess')
    command = page.kwargs['cmd']
    assert command[0].args == ('drift', 'drift_ros') and command[1:] == ['page']
    assert page.kwargs['condition'].args[0].args == ('page',)


@pytest.mark.parametrize(
    'name', ['FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE']
)
def test_the_profile_of_the_user_stays(
    launch_file: dict[str, Any], monkeypatch: Any, name: str
) -> None:
    monkeypatch.setenv(name, '/home/robot/own.xml')
    assert environment(launch_file) == {}


def test_cameras_have_the_topics_below_their_names(
    launch_file: dict[str, Any], monkeypatch: Any
) -> None:
    given = {'cameras': 'left, wrist', 'image': 'color/image_raw', 'use_sim_time': 'false'}

    class Given:
        def __init__(self, name: str) -> None:
            self.name = name

        def perform(self, context: Any) -> str:
            return given.get(self.name, '')

    tracker = launch_file['tracker']
    monkeypatch.setitem(tracker.__globals__, 'LaunchConfiguration', Given)
    node = tracker(None)[0].kwargs
    assert node['parameters'][1]['cameras'] == ['left', 'wrist']
    assert ('wrist/image', 'wrist/color/image_raw') in node['remappings']
    assert ('image', 'color/image_raw') in node['remappings']


def test_examples_for_robots_are_started_with_the_tracker(launch_file: dict[str, Any]) -> None:
    file = runpy.run_path(str(ROOT / 'examples' / 'robot.launch.py'))
    assert all((ROOT / 'examples' / f'{name}.py').is_file() for name in file['EXAMPLES'])
    entities = file['generate_launch_description']().args[0]
    (example,) = [e for e in entities if type(e).__name__ == 'ExecuteProcess']
    assert example.kwargs['cmd'][1][0] == f'{ROOT / "examples"}/'
    command = [[getattr(w, 'args', w) for w in word] for word in example.kwargs['cmd'][2:]]
    assert ['tracks:=', ('namespace',), '/tracker/tracks'] in command
    declared = [e.args[0] for e in entities if type(e).__name__ == 'DeclareLaunchArgument']
    assert set(file['PARAMETERS']) - {'use_sim_time'} <= set(declared)
    assert [type(e).__name__ for e in entities].count('IncludeLaunchDescription') == 1


def test_the_layout_shows_what_the_node_publishes() -> None:
    import yaml

    layout = yaml.safe_load((ROOT / 'resource' / 'tracker.rviz').read_text())
    shown = {
        display['Topic']['Value']
        for display in layout['Visualization Manager']['Displays']
        if 'Topic' in display
    }
    assert {'/tracker/overlay', '/tracker/labels'} <= shown
    remapped = FILE.read_text()
    assert "('overlay', 'labels')" in remapped


def test_launched_node_tracks(tools: Any, tmp_path: Path, monkeypatch: Any) -> None:
    """From the launch file to a track: namespace, remapping, prompts, device and autostart."""
    pytest.importorskip('launch_ros', reason='launch_ros is not installed (there is no wheel)')
    pytest.importorskip('drift_ros.msg', reason='the interfaces are not built: run `make build`')
    import rclpy
    from launch.actions import IncludeLaunchDescription
    from launch.events import Shutdown
    from launch.launch_description_sources import PythonLaunchDescriptionSource
    from rclpy.qos import qos_profile_sensor_data
    from sensor_msgs.msg import Image

    import launch
    from drift_ros.msg import TrackedObjectArray
    from drift_ros.ros import messages

    if 'AMENT_PREFIX_PATH' not in os.environ:  # a shell that has not sourced the environment
        monkeypatch.setenv('AMENT_PREFIX_PATH', sys.prefix)
    prompts = tmp_path / 'prompts.yaml'
    prompts.write_text('prompts:\n  - {id: 5, box: [8, 8, 16, 16]}\n')
    arguments = {
        'namespace': 'robot', 'image': '/camera/image_raw', 'prompts_file': str(prompts),
        'device': 'cpu', 'features': 'patch',
        'params_file': str(ROOT / 'config' / 'realtime.yaml'),
    }  # fmt: skip
    source = PythonLaunchDescriptionSource(str(FILE))
    include = IncludeLaunchDescription(source, launch_arguments=arguments.items())
    service = launch.LaunchService(noninteractive=True)
    service.include_launch_description(launch.LaunchDescription([include]))

    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node('camera', context=context)
    executor = rclpy.executors.SingleThreadedExecutor(context=context)
    executor.add_node(node)
    tracks: list[Any] = []
    node.create_subscription(TrackedObjectArray, '/robot/tracker/tracks', tracks.append, 10)
    camera = node.create_publisher(Image, '/camera/image_raw', qos_profile_sensor_data)
    shown = 0

    def seen() -> bool:
        nonlocal shown
        executor.spin_once(timeout_sec=0.02)
        if camera.get_subscription_count() and node.count_publishers('/robot/tracker/tracks'):
            image = tools.scene(shown)[0]
            camera.publish(messages.image(image, 'rgb8', tools.stamp(shown), tools.FRAME_ID))
            shown += 1
        return bool(tracks)

    def watch() -> None:
        try:
            tools.until(seen)
        finally:
            service.emit_event(Shutdown(reason='the test is done'))

    thread = threading.Thread(target=watch)
    thread.start()
    status = service.run()
    thread.join()
    executor.shutdown()
    node.destroy_node()
    rclpy.shutdown(context=context)
    assert status == 0
    assert [obj.id for obj in tracks[0].objects] == [5]
