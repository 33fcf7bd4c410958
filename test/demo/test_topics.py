"""The camera's topics are found, or asked for by name."""

from __future__ import annotations

import pytest

from drift_ros.demo.topics import CAMERA_INFO, COMPRESSED, IMAGE, TRACKS, Topics, choose
from drift_ros.errors import SourceError


def test_the_topics_of_the_built_in_scenes():
    available = {
        '/camera/image': IMAGE,
        '/camera/camera_info': CAMERA_INFO,
        '/camera/depth': IMAGE,
        '/truth/labels': IMAGE,
        '/truth/tracks': TRACKS,
    }
    expected = Topics(
        '/camera/image',
        False,
        '/camera/camera_info',
        '/camera/depth',
        '/truth/labels',
        '/truth/tracks',
    )
    assert choose(available, ['/camera/image']) == expected


def test_the_topics_of_a_depth_camera():
    available = {
        '/camera/color/image_raw': IMAGE,
        '/camera/color/camera_info': CAMERA_INFO,
        '/camera/depth/image_rect_raw': IMAGE,
        '/camera/aligned_depth_to_color/image_raw': IMAGE,
        '/camera/depth/camera_info': CAMERA_INFO,
        '/tf': 'tf2_msgs/msg/TFMessage',
    }
    topics = choose(available, ['/camera/color/image_raw'])
    assert topics.image == '/camera/color/image_raw'
    assert topics.camera_info == '/camera/color/camera_info'
    assert topics.depth == '/camera/aligned_depth_to_color/image_raw'
    assert not topics.truth_labels and not topics.truth_tracks


def test_compressed_images_are_taken_where_there_are_no_raw_ones():
    topics = choose(
        {'/cam/image/compressed': COMPRESSED, '/cam/camera_info': CAMERA_INFO},
        ['/cam/image/compressed'],
    )
    assert topics.compressed and topics.camera_info == '/cam/camera_info'
    both = choose(
        {'/cam/image/compressed': COMPRESSED, '/cam/image': IMAGE},
        ['/cam/image/compressed', '/cam/image'],
    )
    assert both.image == '/cam/image' and not both.compressed


def test_a_choice_is_the_users():
    available = {'/left/image': IMAGE, '/right/image': IMAGE, '/imu': 'sensor_msgs/msg/Imu'}
    with pytest.raises(SourceError, match='/left/image, /right/image; choose one with --image'):
        choose(available, ['/left/image', '/right/image'])
    assert choose(available, [], '/right/image').image == '/right/image'
    with pytest.raises(SourceError, match=r'(?s)no topic.*/up/image.*it has.*/imu'):
        choose(available, [], '/up/image')
    with pytest.raises(SourceError, match='Imu, expected'):
        choose(available, [], '/imu')


def test_a_bag_without_images_is_refused():
    with pytest.raises(SourceError, match=r'(?s)has images.*/imu'):
        choose({'/imu': 'sensor_msgs/msg/Imu'}, [])
