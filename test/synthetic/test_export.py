"""What is written can be read back, and says what the scene knows."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from drift_ros import synthetic
from drift_ros.errors import OutputError
from drift_ros.io.bags import BagReader
from drift_ros.io.depth import to_metres
from drift_ros.io.images import to_rgb
from drift_ros.io.messages import stamp_of
from drift_ros.synthetic import export
from drift_ros.visualization.palette import PALETTE

SETTINGS = synthetic.SceneSettings(width=96, height=72, frames=4, rate=10)


@pytest.fixture(scope='module')
def scene() -> synthetic.Video:
    return synthetic.create('crossing', SETTINGS)


@pytest.mark.parametrize(('depth', 'error'), [('16UC1', 0.0005001), ('32FC1', 0.0)])
def test_a_bag_holds_the_camera_and_the_truth(tmp_path, scene, depth, error):
    export.write_bag(scene, tmp_path / 'bag', depth)
    found = {}
    with BagReader(tmp_path / 'bag') as bag:
        for topic, stamp, message in bag.messages():
            assert stamp == stamp_of(message)
            assert message.header.frame_id == 'camera_optical'
            found.setdefault(topic, []).append(message)
    assert {topic: len(got) for topic, got in found.items()} == dict.fromkeys(
        ['/camera/camera_info', '/camera/depth', '/camera/image', '/truth/labels', '/truth/tracks'],
        4,
    )
    for i, frame in enumerate(scene):
        image, labels = found['/camera/image'][i], found['/truth/labels'][i]
        assert stamp_of(image) == frame.stamp and image.encoding == 'rgb8'
        np.testing.assert_array_equal(to_rgb(image), frame.image)
        assert labels.encoding == '8UC1'
        np.testing.assert_array_equal(labels.data.reshape(72, 96), frame.labels)
        metres = to_metres(found['/camera/depth'][i])
        assert abs(metres - frame.depth).max() <= error
        np.testing.assert_allclose(found['/camera/camera_info'][i].k.reshape(3, 3), scene.camera.k)
        for message, truth in zip(found['/truth/tracks'][i].objects, frame.objects, strict=True):
            assert (message.id, message.name, message.area) == (truth.id, truth.name, truth.area)
            assert message.has_position and message.visible and message.score == 1
            at = message.position
            np.testing.assert_allclose((at.x, at.y, at.z), truth.position)


def test_a_davis_folder(tmp_path, scene):
    export.write_davis(scene, tmp_path)
    names = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob('*.*g'))
    assert names[0] == 'Annotations/480p/crossing/00000.png' and len(names) == 8
    assert (tmp_path / 'ImageSets/2017/val.txt').read_text() == 'crossing\n'
    for frame in scene:
        with Image.open(tmp_path / f'Annotations/480p/crossing/{frame.index:05d}.png') as labels:
            np.testing.assert_array_equal(np.asarray(labels), frame.labels)
            assert labels.getpalette()[:9] == PALETTE[:3].ravel().tolist()
        with Image.open(tmp_path / f'JPEGImages/480p/crossing/{frame.index:05d}.jpg') as image:
            assert abs(np.asarray(image).astype(int) - frame.image).mean() < 4
    with pytest.raises(OutputError):
        export.write_davis(scene, tmp_path)


def test_depth_beyond_the_range_of_millimetres_is_no_measurement():
    far = np.array([[65.535, 65.536, 100.0]], np.float32)
    assert export._depth(far, '16UC1').tolist() == [[65535, 0, 0]]
