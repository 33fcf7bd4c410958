"""The node's life: every transition, in order and out of order."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip('rclpy', reason='the room ros needs rclpy')
pytest.importorskip('drift_ros.msg', reason='the interfaces are not built: run `make build`')

from lifecycle_msgs.srv import GetState
from std_srvs.srv import SetBool, Trigger


def state(rig: Any) -> str:
    label = str(rig.call(GetState, 'get_state').current_state.label)
    assert rig.node.state == label
    return label


def test_whole_life(make_rig: Callable[..., Any], tools: Any) -> None:
    rig = make_rig()
    assert state(rig) == 'unconfigured'
    assert rig.change('configure')
    assert state(rig) == 'inactive'
    tracks = rig.tracks()
    rig.show(0)  # not taken
    assert rig.change('activate')
    assert state(rig) == 'active'
    rig.show(1)
    tools.until(lambda: len(tracks) == 1)
    assert rig.change('deactivate')
    assert state(rig) == 'inactive'
    assert rig.change('activate')
    rig.show(2)
    tools.until(lambda: len(tracks) == 2)
    assert rig.counters().received == 2
    assert rig.change('deactivate')
    assert rig.change('cleanup')
    assert state(rig) == 'unconfigured'
    assert rig.node.worker is None
    assert rig.change('configure')
    assert rig.change('activate')
    rig.publishers.clear()  # a new subscription has to be matched
    rig.tracks()
    rig.show(3)
    tools.until(lambda: rig.counters().published == 1)
    assert rig.change('shutdown')
    assert state(rig) == 'finalized'


def test_a_destroyed_node_is_gone_at_once(tools: Any) -> None:
    """And not when garbage is collected, which may be while another node is made."""
    import rclpy

    from drift_ros.ros.node import TrackerNode

    contexts = [rclpy.Context(), rclpy.Context()]
    for context in contexts:
        rclpy.init(context=context)
    node = TrackerNode('short_lived', context=contexts[0])
    other = rclpy.create_node('other', context=contexts[1])
    tools.until(lambda: 'short_lived' in other.get_node_names(), 'its discovery')
    gc.disable()
    try:
        node.destroy_node()
        tools.until(lambda: 'short_lived' not in other.get_node_names(), 'its end')
    finally:
        gc.enable()
        other.destroy_node()
        for context in contexts:
            rclpy.shutdown(context=context)


def test_it_subscribes_once_it_can_track(
    make_rig: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A player that waits for a subscription would play the first images to a node that loads."""
    from drift_ros.ros import node
    from drift_ros.ros.loading import Loader

    def images() -> bool:
        return any(s.topic_name.endswith('/image') for s in rig.node.subscriptions)

    while_loading = []

    class Watched(Loader):
        def __call__(self, settings: Any, generation: int) -> Any:
            while_loading.append(images())
            return super().__call__(settings, generation)

    monkeypatch.setattr(node, 'Loader', Watched)
    rig = make_rig()
    assert rig.change('configure')
    assert images()
    assert while_loading == [False]


def test_impossible_transitions_are_refused(make_rig: Callable[..., Any]) -> None:
    rig = make_rig()
    assert not rig.change('activate')
    assert not rig.change('cleanup')
    assert not rig.change('nonsense')
    assert rig.change('configure')
    assert not rig.change('configure')
    assert state(rig) == 'inactive'


def test_cleanup_frees_the_model(make_rig: Callable[..., Any]) -> None:
    rig = make_rig(
        features__name='video-unet',
        features__video__model='modelscope',
        features__video__checkpoint='untrained',
    )
    assert rig.change('configure')
    extractor = weakref.ref(rig.stream.tracker.extractor)
    thread = rig.node.worker._thread
    assert rig.change('cleanup')
    assert not thread.is_alive()
    gc.collect()
    assert extractor() is None


def test_missing_checkpoint_fails_and_a_retry_works(
    make_rig: Callable[..., Any], tmp_path: Path, capfd: Any
) -> None:
    where = tmp_path / 'nothing-here'
    rig = make_rig(features__name='video-unet', features__video__checkpoint=str(where))
    assert not rig.change('configure')
    assert str(where) in capfd.readouterr().err
    assert state(rig) == 'unconfigured'
    assert rig.set_parameter('features.name', 'patch').successful
    assert rig.change('configure')
    assert rig.change('activate')
    rig.tracks()
    rig.show(0)


def test_a_crash_in_a_transition_is_logged_and_leaves_a_way_back(
    make_rig: Callable[..., Any], monkeypatch: Any, capfd: Any
) -> None:
    from drift_ros.ros import node

    def crash() -> None:
        raise ZeroDivisionError('by zero')

    rig = make_rig()
    with monkeypatch.context() as patch:
        patch.setattr(node, 'Loader', crash)
        assert not rig.change('configure')
    assert 'ZeroDivisionError: by zero' in capfd.readouterr().err
    assert state(rig) == 'unconfigured'
    assert rig.change('configure')


def test_frames_that_wait_for_a_window_come_out_at_deactivation(
    make_rig: Callable[..., Any], tools: Any
) -> None:
    rig = make_rig(window__length=4).start()
    tracks = rig.tracks()
    rig.show(0)
    tools.until(lambda: len(tracks) == 1)
    assert rig.reset(0).success
    for k in range(1, 6):  # with frame 0 labelled anew: a window of four, and two frames that wait
        rig.show(k)
    tools.until(lambda: rig.counters().received == 6)
    tools.until(lambda: len(tracks) == 1 + 4)
    assert rig.change('deactivate')
    tools.until(lambda: len(tracks) == 1 + 6)
    assert rig.change('activate')
    rig.show(6)
    assert rig.change('deactivate')


@pytest.mark.parametrize('steps', [(), ('configure',)])
def test_services_before_activation_say_what_to_do(
    make_rig: Callable[..., Any], steps: tuple[str, ...]
) -> None:
    rig = make_rig()
    for step in steps:
        assert rig.change(step)
    answers = [
        rig.reset(0),
        rig.call(Trigger, 'clear'),
        rig.call(SetBool, 'pause', data=True),
    ]
    for answer in answers:
        assert not answer.success
        assert f'the node is {rig.node.state}' in answer.message
        assert f'ros2 lifecycle set /{rig.name}_ns/{rig.name} activate' in answer.message


def test_settings_of_the_model_change_between_configurations_only(
    make_rig: Callable[..., Any],
) -> None:
    rig = make_rig()
    assert rig.set_parameter('window.length', 2).successful
    assert rig.change('configure')
    assert rig.stream.tracker.window == (2, 2)
    refused = rig.set_parameter('window.length', 3)
    assert not refused.successful
    assert 'clean up' in refused.reason
    assert rig.set_parameter('diagnostics_period', 0.5).successful
    assert rig.set_parameter('service_timeout', 3).successful
    assert rig.node.parameters.settings.service_timeout == 3.0
    assert rig.change('cleanup')
    assert rig.set_parameter('window.length', 3).successful
    assert rig.change('configure')
    assert rig.stream.tracker.window == (3, 3)


def test_missing_images_are_reported(make_rig: Callable[..., Any], tools: Any, capfd: Any) -> None:
    rig = make_rig(missing_input_timeout=0.1).start()
    said = ''

    def reported() -> bool:
        nonlocal said
        said += capfd.readouterr().err
        return 'nobody publishes there' in said

    tools.until(reported)
    assert f'no image on /{rig.name}_ns/image' in said


def test_a_publisher_of_another_type_is_reported(
    make_rig: Callable[..., Any], tools: Any, capfd: Any
) -> None:
    import rclpy
    from sensor_msgs.msg import CompressedImage

    rig = make_rig(missing_input_timeout=0.3)
    # one participant may use a topic with one type only, so the camera needs a context of its own
    context = rclpy.Context()
    rclpy.init(context=context)
    camera = rclpy.create_node('camera', namespace=f'/{rig.name}_ns', context=context)
    camera.create_publisher(CompressedImage, 'image', 1)
    topic = f'/{rig.name}_ns/image'
    tools.until(lambda: rig.client.get_publishers_info_by_topic(topic))
    rig.start()
    said = ''

    def reported() -> bool:
        nonlocal said
        said += capfd.readouterr().err
        return 'sends sensor_msgs/msg/CompressedImage; set image_transport to fit it' in said

    tools.until(reported)
    camera.destroy_node()
    rclpy.shutdown(context=context)


def test_qos_is_overridden_by_parameters(make_rig: Callable[..., Any], capfd: Any) -> None:
    from rclpy.qos import ReliabilityPolicy

    given = {
        'qos_overrides.{ns}/image.subscription.reliability': 'reliable',
        'qos_overrides.{ns}/image.subscription.depth': 3,
        'qos_overrides./elsewhere.subscription.depth': 3,
    }
    rig = make_rig(**given)
    assert rig.change('configure')
    topics = {s.topic_name.rsplit('/', 1)[1]: s.qos_profile for s in rig.node.subscriptions}
    assert topics['image'].reliability == ReliabilityPolicy.RELIABLE
    assert topics['image'].depth == 3
    assert topics['depth'].depth != 3
    log = capfd.readouterr().err
    assert 'qos_overrides./elsewhere.subscription.depth has no effect' in log
    assert log.count('has no effect') == 1


def test_simulated_time_that_stands_still_stops_nothing(
    make_rig: Callable[..., Any], tools: Any
) -> None:
    """Nothing waits for /clock: results go by the stamps of the images, reports by steady time."""
    from diagnostic_msgs.msg import DiagnosticArray

    rig = make_rig(use_sim_time=True, diagnostics_period=0.05, service_timeout=5.0).start()
    reports = rig.listen('/diagnostics', DiagnosticArray)
    tracks = rig.tracks()
    rig.show(0)
    assert rig.reset(0).success
    tools.until(lambda: len(tracks) == 2)
    tools.until(lambda: len(reports) > 2)
    assert rig.node.get_clock().now().nanoseconds == 0
