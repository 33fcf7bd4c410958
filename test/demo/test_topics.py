"""The camera's topics are found, or asked for by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from recordings import Bag, moving

from drift_ros.demo.topics import Topics, choose
from drift_ros.errors import SourceError
from drift_ros.io import messages
from drift_ros.io.bags import BagReader


def found(path: Path, bag: Bag, **given: str) -> Topics:
    with BagReader(bag.write(path)) as reader:
        return choose(reader, **given)


def camera(bag: Bag, name: str, compressed: bool = False) -> None:
    if compressed:
        message = messages.compressed_image(b'', 'jpeg', 1, 'camera')
        bag.put(f'{name}/compressed', messages.COMPRESSED_IMAGE, message, 1)
    else:
        bag.image(1, topic=name)
    info = messages.camera_info(50.0, 50.0, 1.0, 1.0, 4, 3, 1, 'camera')
    bag.put(f'{name.rpartition("/")[0]}/camera_info', messages.CAMERA_INFO, info, 1)


def depth(bag: Bag, topic: str) -> None:
    bag.labels(1, np.ones((3, 4), np.uint16), topic=topic, encoding='16UC1')


def test_the_topics_of_the_built_in_scenes(tmp_path: Path) -> None:
    bag = Bag()
    camera(bag, '/camera/image')
    depth(bag, '/camera/depth')
    bag.labels(1, moving(0))
    topics = found(tmp_path / 'bag', bag)
    assert topics == Topics(
        '/camera/image', False, '/camera/camera_info', '/camera/depth', '/truth/labels'
    )
    assert topics.inputs == ['/camera/image', '/camera/camera_info', '/camera/depth']


def test_the_topics_of_a_depth_camera(tmp_path: Path) -> None:
    bag = Bag()
    camera(bag, '/camera/color/image_raw')
    depth(bag, '/camera/depth/image_rect_raw')
    depth(bag, '/camera/aligned_depth_to_color/image_raw')
    topics = found(tmp_path / 'bag', bag)
    assert topics.camera_info == '/camera/color/camera_info'
    assert topics.depth == '/camera/aligned_depth_to_color/image_raw'
    assert not topics.truth


@pytest.mark.parametrize('both', [False, True])
def test_compressed_images_are_taken_where_there_are_no_raw_ones(tmp_path, both: bool) -> None:
    bag = Bag()
    camera(bag, '/cam/image', compressed=True)
    if both:
        bag.image(1, topic='/cam/image')
    topics = found(tmp_path / 'bag', bag)
    assert topics.compressed is not both and topics.camera_info == '/cam/camera_info'
    assert topics.image == ('/cam/image' if both else '/cam/image/compressed')


def test_a_choice_is_the_users(tmp_path: Path) -> None:
    bag = Bag()
    bag.image(1, topic='/left/image')
    bag.image(1, topic='/right/image')
    with pytest.raises(SourceError, match=r'/left/image, /right/image.*--image'):
        found(tmp_path / 'a', bag)
    assert found(tmp_path / 'b', bag, image='/right/image').image == '/right/image'
    with pytest.raises(SourceError, match='/up/image'):
        found(tmp_path / 'c', bag, image='/up/image')
    with pytest.raises(SourceError, match='/up/depth'):
        found(tmp_path / 'd', bag, image='/left/image', depth='/up/depth')
