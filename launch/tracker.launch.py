"""Starts the tracker: `ros2 launch drift_ros tracker.launch.py image:=/camera/image_raw`.

With `cameras:=left,wrist image:=color/image_raw` it tracks in /left/color/image_raw and
/wrist/color/image_raw.

Processes that are started after it in the same launch, the camera's for example, get the same Fast
DDS profile, with which large images arrive.
"""

import os

from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    OpaqueFunction,
    SetEnvironmentVariable,
)
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import LifecycleNode, Node
from launch_ros.substitutions import ExecutableInPackage, FindPackageShare

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity

SHARE = FindPackageShare('drift_ros')
CONFIG = PathJoinSubstitution([SHARE, 'config', 'tracker.yaml'])
LAYOUT = PathJoinSubstitution([SHARE, 'resource', 'tracker.rviz'])
PROFILE = PathJoinSubstitution([SHARE, 'config', 'fastdds.xml'])
PROFILE_VARIABLES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')
SWITCH = ['true', 'false']

ARGUMENTS = [
    DeclareLaunchArgument('namespace', default_value='', description='Namespace of the node.'),
    DeclareLaunchArgument('params_file', default_value=CONFIG, description='Parameters (YAML).'),
    DeclareLaunchArgument(
        'cameras',
        default_value='',
        description='Names with commas between; the topics below are then below each name. Empty: '
        'as in params_file.',
    ),
    DeclareLaunchArgument('image', default_value='image', description='Topic of the images.'),
    DeclareLaunchArgument(
        'camera_info', default_value='camera_info', description='Topic of the calibration.'
    ),
    DeclareLaunchArgument(
        'depth', default_value='depth', description='Topic of depth registered to the images.'
    ),
    DeclareLaunchArgument(
        'features', default_value='', description='Feature extractor; empty: as in params_file.'
    ),
    DeclareLaunchArgument(
        'device', default_value='', description='auto, cpu or cuda:N; empty: as in params_file.'
    ),
    DeclareLaunchArgument(
        'prompts_file', default_value='', description='First prompts; empty: as in params_file.'
    ),
    DeclareLaunchArgument(
        'image_transport',
        default_value='',
        description='raw, compressed; empty: as in params_file.',
    ),
    DeclareLaunchArgument('use_sim_time', default_value='false', description='Follow /clock.'),
    DeclareLaunchArgument(
        'autostart', default_value='true', description='Configure and activate the node.'
    ),
    DeclareLaunchArgument(
        'log_level', default_value='info', description='debug, info, warn, error.'
    ),
    DeclareLaunchArgument('rviz', default_value='false', description='Show the result in RViz.'),
    DeclareLaunchArgument(
        'page',
        default_value='false',
        description='Serve a web page for clicks on http://127.0.0.1:8080 (needs nicegui).',
    ),
    DeclareLaunchArgument(
        'use_respawn', default_value='false', description='Restart after a crash.'
    ),
]
# launch argument -> parameter that it overrides if it is given
OVERRIDES = {
    'features': 'features.name',
    'device': 'features.device',
    'prompts_file': 'prompts_file',
    'image_transport': 'image_transport',
}


TOPICS = ('image', 'camera_info', 'depth')


def profile() -> list[LaunchDescriptionEntity]:
    """The Fast DDS profile, unless the user has one."""
    if any(os.environ.get(name) for name in PROFILE_VARIABLES):
        return []
    return [SetEnvironmentVariable(name, PROFILE) for name in PROFILE_VARIABLES]


def tracker(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """The node, with those parameters that were given as arguments."""

    def value(name: str) -> str:
        return LaunchConfiguration(name).perform(context)

    def switch(name: str) -> bool:
        return value(name).lower() in ('true', '1', 'yes', 'on')

    given: dict[str, object] = {
        parameter: value(name) for name, parameter in OVERRIDES.items() if value(name)
    }
    cameras = [name.strip() for name in value('cameras').split(',') if name.strip()]
    if cameras:
        given['cameras'] = cameras
    remapped = [(name, value(name)) for name in TOPICS]
    if cameras and (absolute := [to for _, to in remapped if to.startswith(('/', '~'))]):
        raise ValueError(
            f'with cameras:={value("cameras")} the topics are relative to each camera, as '
            f'color/image_raw; got {", ".join(absolute)}: remap those in a launch file of your own'
        )
    node = LifecycleNode(
        package='drift_ros',
        executable='tracker',
        name='tracker',
        namespace=value('namespace'),
        parameters=[
            value('params_file'),
            {'use_sim_time': switch('use_sim_time'), 'autostart': switch('autostart'), **given},
        ],
        remappings=[
            *remapped,
            *(
                (f'{camera}/{name}', f'{camera}/{to}')
                for camera in cameras
                for name, to in remapped
            ),
        ],
        arguments=['--ros-args', '--log-level', value('log_level')],
        respawn=switch('use_respawn'),
        respawn_delay=2.0,
        output='screen',
    )
    return [node]


def generate_launch_description() -> LaunchDescription:
    """The launch description."""
    shown = ('overlay', 'labels')
    rviz = Node(
        package='rviz2',
        executable='rviz2',
        namespace=LaunchConfiguration('namespace'),
        arguments=['-d', LAYOUT],
        remappings=[(f'/tracker/{topic}', f'tracker/{topic}') for topic in shown],
        condition=IfCondition(LaunchConfiguration('rviz')),
    )
    page = ExecuteProcess(  # and no Node, which would get arguments of ROS
        cmd=[ExecutableInPackage('drift', 'drift_ros'), 'page'],
        output='screen',
        condition=IfCondition(LaunchConfiguration('page')),
    )
    actions = [OpaqueFunction(function=tracker), rviz, page]
    return LaunchDescription([*ARGUMENTS, *profile(), *actions])
