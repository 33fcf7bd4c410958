"""The client and the recorder, as another process would use them: in a context of their own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='the room ros needs rclpy')
pytest.importorskip('drift_ros.msg', reason='the interfaces are not built: run `make build`')

from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CameraInfo, Image

from drift_ros.errors import DriftError
from drift_ros.io.messages import raw_stamp
from drift_ros.msg import Prompt as PromptMessage
from drift_ros.msg import TrackedObjectArray
from drift_ros.prompts.prompt import Prompt
from drift_ros.ros import messages
from drift_ros.ros.messages import header
from drift_ros.ros.stamps import nanoseconds
from drift_ros.ros.tools.client import ClientError, Spinner, TrackerClient, prompt_message
from drift_ros.ros.tools.reconfiguring import Reconfigurer
from drift_ros.ros.tools.recording import Recorder
from drift_ros.srv import ResetTargets


@pytest.fixture
def spinner() -> Iterator[Spinner]:
    with Spinner('demo_client') as spinner:
        yield spinner


def test_from_configuration_to_recorded_tracks(make_rig: Any, tools: Any, spinner: Spinner) -> None:
    rig = make_rig()
    name = rig.node.get_fully_qualified_name()
    client = TrackerClient(spinner.node, name)
    client.change_state('configure')
    client.change_state('activate')
    client.wait_active(10)
    got: list[tuple[str, bytes, int]] = []
    topic = f'{name}/tracks'
    sink = lambda *item: got.append(item)  # noqa: E731
    recorder = Recorder(spinner.node, {topic: TrackedObjectArray}, sink)
    publisher = next(p for p in rig.node.publishers if p.topic_name == topic)
    tools.until(publisher.get_subscription_count)
    rig.show(0)
    rig.show(1)
    rig.arrived()
    mask = tools.scene(0)[1] == 1
    reply = client.reset_targets(
        [Prompt(id=5, name='box', mask=mask)], tools.stamp(0), 'camera_optical'
    )
    assert reply.ids == (5,) and reply.generation > 0 and '5' in reply.message
    tools.until(lambda: recorder.counts[topic] == 4)  # two without, two with the target
    last = deserialize_message(got[-1][1], TrackedObjectArray)
    assert [obj.name for obj in last.objects] == ['box']
    assert raw_stamp(got[-1][1]) == nanoseconds(last.header.stamp) == tools.stamp(1)
    assert abs(got[-1][2] - time.time_ns()) < 60e9
    assert recorder.last[topic] <= time.monotonic()
    recorder.close()
    client.change_state('deactivate')
    with pytest.raises(ClientError, match=r'(?s)inactive.*expected: active'):
        client.wait_active(0.5)
    with pytest.raises(ClientError, match='is inactive, it could not start itself'):
        client.wait_active(20, autostart=True)
    with pytest.raises(ClientError, match='deactivate'):
        client.change_state('deactivate')


def test_what_a_person_does_with_targets(rig: Any, tools: Any, spinner: Spinner) -> None:
    client = TrackerClient(spinner.node, rig.node.get_fully_qualified_name())
    tracks = rig.tracks()
    rig.show(0)
    rig.arrived()
    prompt = Prompt(mask=tools.scene(0)[1] == 1)
    seen = client.reset_targets([prompt], tools.stamp(0), keep_existing=True, preview_only=True)
    assert seen.ids == (1,) and np.array_equal(seen.labels == 1, prompt.mask)
    rig.show(1)
    tools.until(lambda: len(tracks) == 2)
    assert not tracks[-1].objects  # a preview changes nothing
    assert client.reset_targets([prompt], tools.stamp(0), keep_existing=True).ids == (1,)
    client.rename(1, 'cup')
    answer = rig.call(
        ResetTargets, 'reset_targets', prompts=[PromptMessage(id=1, name='cup')], keep_existing=True
    )
    assert list(answer.ids) == [1] and answer.generation == seen.generation
    answer = rig.call(
        ResetTargets,
        'reset_targets',
        prompts=[PromptMessage(id=1, name='lid')],
        keep_existing=True,
        preview_only=True,
    )
    assert not answer.success and rig.stream.tracker.targets == {1: 'cup'}
    rig.show(2)
    tools.until(lambda: tracks[-1].objects)
    assert tracks[-1].objects[0].name == 'cup' and tracks[-1].generation == seen.generation
    with pytest.raises(ClientError, match='tracked ids are: 1'):
        client.rename(7, 'cup')
    client.remove([1])
    with pytest.raises(ClientError, match='not tracked'):
        client.remove([1])
    client.pause(True)
    assert rig.stream.paused
    client.clear()
    client.close()


def test_other_settings_and_back(rig: Any, tools: Any, spinner: Spinner) -> None:
    name = rig.node.get_fully_qualified_name()
    reconfigurer = Reconfigurer(spinner.node, name)
    propagation = lambda: rig.stream.tracker.settings.propagation  # noqa: E731
    first = propagation().top_k
    reconfigurer.apply({'propagation.top_k': first + 1, 'queue': 3})
    assert propagation().top_k == first + 1 and rig.node.state == 'active'
    assert rig.node.parameters.settings.queue == 200  # no setting of the tracker
    for wrong in ({'features.name': 'video-unet', 'features.video.checkpoint': '/none'},
                  {'propagation.memory': -1}):  # fmt: skip
        with pytest.raises(ClientError, match='as they were'):
            reconfigurer.apply(wrong)
        assert propagation().top_k == first + 1 and rig.node.state == 'active'
    reconfigurer.apply({})  # what it was found with
    assert propagation().top_k == first
    reconfigurer.close()


def test_a_refused_prompt_says_why(rig: Any, tools: Any, spinner: Spinner) -> None:
    client = TrackerClient(spinner.node, rig.node.get_fully_qualified_name())
    rig.show(0)
    rig.arrived()
    with pytest.raises(ClientError, match='reset_targets'):
        client.reset_targets([Prompt(points=np.array([[9999.0, 0]]), point_labels=np.ones(1))])


def test_waiting_ends_when_the_node_is_gone(spinner: Spinner) -> None:
    def dead() -> None:
        raise DriftError('the node ended')

    client = TrackerClient(spinner.node, '/nobody', dead)
    with pytest.raises(DriftError):
        client.wait_active(60)
    with pytest.raises(DriftError):
        client.reset_targets([Prompt()], timeout=60)


def test_a_service_that_never_comes_is_an_error(spinner: Spinner) -> None:
    client = TrackerClient(spinner.node, '/nobody')
    with pytest.raises(ClientError, match='/nobody/reset_targets'):
        client.reset_targets([Prompt()], timeout=0.2)
    with pytest.raises(ClientError):
        client.wait_active(0.2)


def test_prompts_come_through_the_message_unchanged() -> None:
    mask = np.zeros((6, 8), bool)
    mask[2:4, 3:7] = True
    prompt = Prompt(
        id=3,
        name='cup',
        points=np.array([[1.5, 2.25]]),
        point_labels=np.array([0], np.uint8),
        boxes=np.array([[2.0, 3.0, 4.0, 5.0]]),
        mask=mask,
    )
    (back,) = messages.prompts([prompt_message(prompt)])
    assert (back.id, back.name) == (3, 'cup')
    np.testing.assert_array_equal(back.points, prompt.points)
    np.testing.assert_array_equal(back.point_labels, [0])
    np.testing.assert_array_equal(back.boxes, prompt.boxes)
    np.testing.assert_array_equal(back.mask, mask)


def test_boxes_between_pixels_grow() -> None:
    message = prompt_message(Prompt(boxes=np.array([[-0.5, 1.5, 3.0, 2.2]])))
    (box,) = message.boxes
    assert (box.x_offset, box.y_offset, box.width, box.height) == (0, 1, 3, 3)


@pytest.mark.parametrize('kind', [Image, CameraInfo, TrackedObjectArray])
def test_the_stamp_is_read_without_the_message(kind: type) -> None:
    stamp = 1_795_249_149_123_456_789
    message = kind(header=header(stamp, 'camera'))
    assert raw_stamp(serialize_message(message)) == stamp
