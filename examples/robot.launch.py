"""The tracker with one of the examples for robots.

    ros2 launch examples/robot.launch.py example:=target_frames fixed_frame:=map \
        image:=/camera/color/image_raw camera_info:=/camera/color/camera_info \
        depth:=/camera/aligned_depth_to_color/image_raw

What tracker.launch.py takes (prompts_file, device, namespace, ...) can be given too.
"""

import sys
from pathlib import Path

from launch.actions import DeclareLaunchArgument, ExecuteProcess, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.substitutions import FindPackageShare

from launch import LaunchDescription

HERE = Path(__file__).resolve().parent
EXAMPLES = ['target_frames', 'moveit_objects', 'grasp', 'pick_point']
PARAMETERS = ['fixed_frame', 'target', 'min_score', 'use_sim_time']
TOPICS = ['tracks', 'cloud']
TRACKER = PathJoinSubstitution([FindPackageShare('drift_ros'), 'launch', 'tracker.launch.py'])


def generate_launch_description() -> LaunchDescription:
    """The launch description."""
    namespace = LaunchConfiguration('namespace')
    example = ExecuteProcess(
        cmd=[
            sys.executable,
            [f'{HERE}/', LaunchConfiguration('example'), '.py'],
            '--ros-args',
            *(w for name in PARAMETERS for w in ('-p', [f'{name}:=', LaunchConfiguration(name)])),
            *(w for name in TOPICS for w in ('-r', [f'{name}:=', namespace, f'/tracker/{name}'])),
        ],
        output='screen',
    )
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                'example', choices=EXAMPLES, description='Which one, without .py.'
            ),
            DeclareLaunchArgument(
                'fixed_frame', default_value='map', description='A tf frame that does not move.'
            ),
            DeclareLaunchArgument(
                'target', default_value='1', description='Name or id, for grasp and pick_point.'
            ),
            DeclareLaunchArgument(
                'min_score', default_value='0.5', description='Lowest score that is acted upon.'
            ),
            IncludeLaunchDescription(PythonLaunchDescriptionSource(TRACKER)),
            example,
        ]
    )
