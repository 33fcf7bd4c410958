"""Playing bags over DDS."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip('rclpy', reason='the room ros needs rclpy')

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.serialization import serialize_message
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image
from std_msgs.msg import String

from drift_ros.errors import SourceError
from drift_ros.io.bag_writer import BagWriter
from drift_ros.ros import messages
from drift_ros.ros.stamps import nanoseconds
from drift_ros.ros.tools.playback import Player

FRAMES, STEP = 10, 20_000_000  # ns


@pytest.fixture
def bag(tmp_path: Path, tools: Any) -> Path:
    with BagWriter(tmp_path / 'bag') as writer:
        for k in range(FRAMES):
            image = messages.image(tools.scene(k)[0], 'rgb8', tools.stamp(k), tools.FRAME_ID)
            at = tools.stamp(0) + k * STEP
            writer.write_raw('/image', 'sensor_msgs/msg/Image', serialize_message(image), at)
            if k % 5 == 0:
                text = serialize_message(String(data=f'word {k}'))
                writer.write_raw('/words', 'std_msgs/msg/String', text, at + 1)
    return tmp_path / 'bag'


class Ear:
    """Two nodes in a context of their own: one to play with, one that listens in a thread."""

    def __init__(self) -> None:
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.player = rclpy.create_node('player', context=self.context)
        self.node = rclpy.create_node('ear', context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.leaving = threading.Event()
        self.thread = threading.Thread(target=self._spin)
        self.thread.start()

    def _spin(self) -> None:
        while not self.leaving.is_set():
            self.executor.spin_once(timeout_sec=0.05)

    def listen(self, kind: type, topic: str) -> list[tuple[float, Any]]:
        heard: list[tuple[float, Any]] = []
        self.node.create_subscription(
            kind, topic, lambda m: heard.append((time.monotonic(), m)), 100
        )
        return heard

    def close(self) -> None:
        self.leaving.set()
        self.thread.join()
        self.executor.shutdown()
        for node in (self.node, self.player):
            node.destroy_node()
        rclpy.shutdown(context=self.context)


@pytest.fixture
def ear() -> Iterator[Ear]:
    ear = Ear()
    yield ear
    ear.close()


def test_messages_arrive_as_they_were_recorded(ear: Ear, bag: Path, tools: Any) -> None:
    images, words = ear.listen(Image, '/image'), ear.listen(String, '/words')
    player = Player(ear.player, bag, rate=5.0)
    assert player.topics == ['/image', '/words']
    assert player.duration == pytest.approx((FRAMES - 1) * STEP / 1e9, abs=1e-6)
    assert player.wait_for_subscribers(tools.WAIT)
    publishers = list(player._publishers.values())
    tools.until(lambda: all(p.get_subscription_count() for p in publishers))
    at: list[float] = []
    player.play(at.append)
    player.finish()
    tools.until(lambda: (len(images), len(words)) == (FRAMES, 2))
    for k, (_, message) in enumerate(images):
        assert nanoseconds(message.header.stamp) == tools.stamp(k)
        assert bytes(message.data) == tools.scene(k)[0].tobytes()
    assert [m.data for _, m in words] == ['word 0', 'word 5']
    assert at == sorted(at)
    assert player.published == FRAMES + 2


def test_who_listens_to_something_else_is_not_waited_for(ear: Ear, bag: Path, tools: Any) -> None:
    """A recorder of camera_info is there before the tracker, who needs the first image."""
    ear.listen(String, '/words')
    player = Player(ear.player, bag)
    tools.until(player._publishers['/words'].get_subscription_count)
    assert not player.wait_for_subscribers(0.05)
    ear.listen(Image, '/image')
    assert player.wait_for_subscribers(tools.WAIT)


def test_where_there_are_no_images_any_listener_counts(ear: Ear, bag: Path, tools: Any) -> None:
    ear.listen(String, '/words')
    assert Player(ear.player, bag, ['/words']).wait_for_subscribers(tools.WAIT)


def test_the_rate_sets_the_time_that_it_takes(ear: Ear, bag: Path) -> None:
    player = Player(ear.player, bag, rate=0.5)
    start = time.monotonic()
    player.play()
    assert time.monotonic() - start >= (FRAMES - 1) * STEP / 1e9 / 0.5


def test_the_clock_runs_through_the_bag(ear: Ear, bag: Path, tools: Any) -> None:
    ticks = ear.listen(Clock, '/clock')
    player = Player(ear.player, bag, clock=True)
    tools.until(lambda: ear.player.count_subscribers('/clock'))
    tools.until(lambda: player._clock.get_subscription_count())
    player.play()
    last = tools.stamp(0) + (FRAMES - 1) * STEP
    tools.until(lambda: ticks and nanoseconds(ticks[-1][1].clock) == last)
    times = [nanoseconds(m.clock) for _, m in ticks]
    assert times == sorted(times)
    assert times[0] >= tools.stamp(0)


def test_chosen_topics_only(ear: Ear, bag: Path) -> None:
    player = Player(ear.player, bag, topics=['/words'], rate=50.0)
    assert player.topics == ['/words']
    player.play()
    assert player.published == 2


def test_a_topic_that_is_not_there_lists_those_that_are(ear: Ear, bag: Path) -> None:
    with pytest.raises(SourceError, match=r'/image'):
        Player(ear.player, bag, topics=['/camera'])


def test_types_that_are_not_installed_are_left_out_by_name(
    ear: Ear, bag: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from drift_ros.ros.tools import playback

    find = playback.message_type

    def some(name: str) -> Any:
        if name.endswith('String'):
            raise ImportError(name)
        return find(name)

    monkeypatch.setattr(playback, 'message_type', some)
    assert Player(ear.player, bag).topics == ['/image']
    assert '/words (std_msgs/msg/String)' in caplog.text
    with pytest.raises(SourceError, match='/words'):
        Player(ear.player, bag, topics=['/words'])


def test_stop_ends_it_from_another_thread(ear: Ear, bag: Path) -> None:
    player = Player(ear.player, bag, rate=0.002)
    threading.Timer(0.1, player.stop).start()
    start = time.monotonic()
    player.play()
    assert time.monotonic() - start < 45  # it would take 90 s


def test_command_plays_a_bag(ear: Ear, bag: Path, tools: Any) -> None:
    images = ear.listen(Image, '/image')
    command = [sys.executable, '-m', 'drift_ros.cli.main', 'play', str(bag), '--rate', '2']
    options = ['--topics', '/image', '--wait-for-subscribers', '20']
    ended = subprocess.run([*command, *options], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
    assert f'{FRAMES} messages' in ended.stderr
    tools.until(lambda: len(images) == FRAMES)


def test_command_names_a_bag_that_is_not_there(tmp_path: Path) -> None:
    command = [sys.executable, '-m', 'drift_ros.cli.main', 'play', str(tmp_path / 'none')]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2
    assert str(tmp_path / 'none') in ended.stderr.replace('\n', '')
    assert 'Traceback' not in ended.stderr


def test_in_step_no_frame_is_dropped(make_rig: Any, tools: Any, tmp_path: Path) -> None:
    """The bag is played as fast as the tracker answers, with room for one waiting image."""
    from drift_ros.ros.tools.in_step import InStep

    rig = make_rig(queue=1).start()
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node('player', namespace=f'/{rig.name}_ns', context=context)
    path = tmp_path / 'renamed'
    with BagWriter(path) as writer:
        for k in range(FRAMES):
            image = messages.image(tools.scene(k)[0], 'rgb8', tools.stamp(k), tools.FRAME_ID)
            topic = f'/{rig.name}_ns/image'
            writer.write_raw(topic, 'sensor_msgs/msg/Image', serialize_message(image), k)
    player = Player(node, path, rate=100, in_step=InStep(node, f'{rig.name}/tracks'))
    assert player.wait_for_subscribers(tools.WAIT)
    tools.until(lambda: node.count_subscribers(f'/{rig.name}_ns/{rig.name}/tracks'))
    player.play()
    assert rig.counters().published == FRAMES
    assert rig.counters().dropped == 0
    node.destroy_node()
    rclpy.shutdown(context=context)


class Answering:
    """Answers images, but for some, as a tracker would."""

    def __init__(self, ear: Ear, tools: Any, skipped: set[int], node: Any = None) -> None:
        from drift_ros.msg import TrackedObjectArray

        node = node or ear.node
        publisher = node.create_publisher(TrackedObjectArray, 'answers', 100)

        def answer(image: Image) -> None:
            if nanoseconds(image.header.stamp) not in skipped:
                publisher.publish(TrackedObjectArray(header=image.header))

        node.create_subscription(Image, '/image', answer, 100)


@pytest.mark.parametrize('ahead', [1, 3])
def test_in_step_goes_on_after_skipped_images(
    ear: Ear, bag: Path, tools: Any, monkeypatch: pytest.MonkeyPatch, ahead: int
) -> None:
    from drift_ros.ros.tools import in_step

    monkeypatch.setattr(in_step, 'ANSWER', 0.5)
    images = ear.listen(Image, '/image')
    Answering(ear, tools, {tools.stamp(k) for k in (0, 4)})
    player = Player(ear.player, bag, rate=100, in_step=in_step.InStep(ear.player, 'answers', ahead))
    assert player.wait_for_subscribers(tools.WAIT)
    tools.until(lambda: ear.player.count_publishers('answers'))
    player.play()
    tools.until(lambda: len(images) == FRAMES)


def test_in_step_waits_for_the_tracker_where_somebody_else_listens(
    ear: Ear, bag: Path, tools: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A page that is open is matched before the tracker is: the first image must not go to it
    alone.
    """
    from drift_ros.ros.tools.in_step import InStep

    ear.listen(Image, '/image')
    player = Player(ear.player, bag, rate=100, in_step=InStep(ear.player, 'answers'))
    publisher = player._publishers['/image']
    tools.until(publisher.get_subscription_count)
    assert not player._met()
    tracker = rclpy.create_node('tracker', context=ear.context)
    ear.executor.add_node(tracker)
    threading.Timer(0.2, Answering, [ear, tools, set(), tracker]).start()
    assert player.wait_for_subscribers(tools.WAIT)
    assert publisher.get_subscription_count() == 2
    player.play()
    assert not player._in_step._open
    assert not caplog.records


def test_in_step_plays_to_somebody_who_passes_images_on(ear: Ear, bag: Path, tools: Any) -> None:
    from drift_ros.ros.tools.in_step import InStep

    ear.listen(Image, '/image')
    player = Player(ear.player, bag, rate=100, in_step=InStep(ear.player, 'answers'))
    tools.until(player._publishers['/image'].get_subscription_count)
    assert player.wait_for_subscribers(0.05)
    assert not player._met()


def test_in_step_is_refused_where_nobody_takes_images(
    ear: Ear, bag: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from drift_ros.cli import play

    ear.listen(String, '/words')
    monkeypatch.setattr(play, 'MEETING', 0.1)
    with pytest.raises(play.NoListenerError, match='image:=/image'):
        play.play(bag, 1.0, False, False, None, False, 0.0, 'answers', 1)


def test_in_step_ends_where_nobody_answers(
    ear: Ear, bag: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from drift_ros.ros.tools import in_step

    monkeypatch.setattr(in_step, 'ANSWER', 0.1)
    player = Player(ear.player, bag, rate=100, in_step=in_step.InStep(ear.player, 'answers'))
    with pytest.raises(in_step.NoAnswerError):
        player.play()
