"""The demonstration from beginning to end: input, node, prompts, recording, report."""

from __future__ import annotations

import math
import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from drift_ros import resources, synthetic
from drift_ros.demo.feed import Bundle, Feeder, bundles, played_rate
from drift_ros.demo.measures import Measures, Run
from drift_ros.demo.process import NodeDiedError, NodeProcess, find_executable
from drift_ros.demo.report import NAMES, Files, write_report
from drift_ros.demo.topics import Topics, choose
from drift_ros.errors import DriftError, OutputError, SourceError
from drift_ros.io import recorded
from drift_ros.io.bags import BagReader
from drift_ros.io.messages import raw_stamp
from drift_ros.node_settings import NodeSettings
from drift_ros.prompts.files import TimedPrompt, read_prompts
from drift_ros.settings import build, flatten, read_yaml
from drift_ros.synthetic.export import write_bag
from drift_ros.visualization.overlay import title

if TYPE_CHECKING:
    from drift_ros.demo.listening import Listener

NAMESPACE = '/drift_demo'
NODE = f'{NAMESPACE}/tracker'
START_TIMEOUT, ACTIVE_TIMEOUT, QUIET = 30.0, 300.0, 0.7
FLUSH_TIMEOUT = 60.0  # s for the frames of a last window, which may be few
INPUT, OUTPUT, LOG, PROMPTS = 'input', 'recorded', 'node.log', 'prompts.yaml'
SHARED_MEMORY = 48 * 2**20  # bytes that config/fastdds.xml may need, and as much again
NOT_OURS = ('use_sim_time', 'qos_overrides.')  # parameters that every ROS node has
PROMPT_ATTEMPTS = 10
BOX_MARGIN = 4  # px around the true box of an object, as a person would draw it


@dataclass(frozen=True, slots=True)
class Options:
    """What the user asked for; see `drift demo --help`."""

    out: Path
    bag: Path | None = None
    prompts: Path | None = None
    scene: str = 'passing'
    frames: int | None = None
    seed: int = 0
    features: str = ''
    config: Path | None = None
    rate: float = 0.0
    image: str = ''
    depth: str = ''
    overlay: bool = True


@dataclass(frozen=True, slots=True)
class Source:
    """What is played."""

    name: str
    bag: Path
    topics: Topics
    prompts: Sequence[TimedPrompt]
    count: int


def run_demo(options: Options, console: Console) -> tuple[Measures, Files]:
    """Run the demonstration.

    Args:
        options: what to do.
        console: where progress is shown.

    Raises:
        DriftError: something is missing or wrong; the node's last words are shown before.
    """
    begin = time.monotonic()
    executable = find_executable()
    settings = _settings(options)
    _prepare(options.out)
    source = _source(options, console)
    try:
        with _progress(console) as progress:
            run, diagnostics = _play(options, source, executable, progress)
    except NodeDiedError as error:
        reason, _, log = str(error).partition('\n')
        console.print(log, style='dim', markup=False, highlight=False)
        raise NodeDiedError(f'{reason}; {options.out / LOG} says why') from None
    with console.status('writing video, contact sheet and report'):
        images = (
            (frame.stamp, frame.image)
            for frame in recorded.frames(source.bag, source.topics.image, source.count)
        )
        measures, files = write_report(
            options.out,
            run,
            images,
            _video_rate(run.stamps),
            _facts(options, source, diagnostics),
            settings,
        )
    _show(console, options, run, measures, files, time.monotonic() - begin)
    return measures, files


# -------------------------------------------------------------------------------------- input


def _prepare(out: Path) -> None:
    """Make the folder, and remove what an earlier demonstration left in it."""
    own = [INPUT, OUTPUT, LOG, PROMPTS, *NAMES]
    if out.exists() and not out.is_dir():
        raise OutputError(f'{out} is not a folder; name another place with --out')
    if out.is_dir() and any(out.iterdir()) and not (out / LOG).exists():
        raise OutputError(
            f'{out} holds something else than an earlier demo; name another place with --out'
        )
    out.mkdir(parents=True, exist_ok=True)
    for name in own:
        path = out / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    (out / LOG).touch()


def _settings(options: Options) -> dict[str, Any]:
    """All settings that the node will have; refuses wrong ones before anything else is done."""
    given = read_yaml(options.config) if options.config else {}
    own = {name: value for name, value in given.items() if not name.startswith(NOT_OURS)}
    if options.features:
        own['features.name'] = options.features
    return flatten(build(NodeSettings, own))


def _source(options: Options, console: Console) -> Source:
    if options.bag is not None:
        if options.prompts is None:
            raise SourceError(
                'a bag needs --prompts: a file that says what to track, as in '
                'config/prompts_example.yaml'
            )
        bag, name, prompts = options.bag, options.bag.name, options.prompts
    else:
        bag, name, prompts = options.out / INPUT, options.scene, options.out / PROMPTS
        _render(options, bag, prompts, console)
        prompts = options.prompts or prompts
    with BagReader(bag) as reader:
        topics = choose(reader.topics, reader.image_topics(), options.image, options.depth)
        count = min(reader.count(topics.image), options.frames or 2**31)
    return Source(name, bag, topics, read_prompts(prompts), count)


def _render(options: Options, bag: Path, prompts: Path, console: Console) -> None:
    values = synthetic.defaults(options.scene).model_dump() | {'seed': options.seed}
    if options.frames is not None:
        values['frames'] = options.frames
    scene = synthetic.create(options.scene, build(synthetic.SceneSettings, values))
    boxes = []
    for obj in scene.render(0).objects:
        if obj.area:
            left, top = max(0, obj.roi.x - BOX_MARGIN), max(0, obj.roi.y - BOX_MARGIN)
            right = min(scene.camera.width, obj.roi.x + obj.roi.width + BOX_MARGIN)
            bottom = min(scene.camera.height, obj.roi.y + obj.roi.height + BOX_MARGIN)
            box = [left, top, right - left, bottom - top]
            boxes.append({'id': obj.id, 'name': obj.name, 'frame': 0, 'box': box})
    prompts.write_text(yaml.safe_dump({'prompts': boxes}, sort_keys=False), encoding='utf-8')
    with _progress(console) as progress:
        task = progress.add_task(f'render {options.scene}', total=len(scene))
        write_bag(scene, bag, on_frame=lambda frame: progress.advance(task))


# ------------------------------------------------------------------------------------ playing


def _play(
    options: Options, source: Source, executable: Path, progress: Progress
) -> tuple[Run, dict[str, str]]:
    _configure_dds()
    try:
        from drift_ros.demo.listening import Listener
        from drift_ros.ros.tools.client import ClientError, Spinner, TrackerClient
        from drift_ros.ros.tools.sending import Sender
    except ImportError as error:
        raise DriftError(
            f'the demo needs ROS 2 and the built package ({error}): run `make build`, or source '
            'the workspace'
        ) from None
    topics = source.topics
    inputs = [name for name in (topics.image, topics.camera_info, topics.depth) if name]
    task = progress.add_task('start the node', total=source.count)
    command = _command(executable, topics, options)
    output = options.out / OUTPUT
    with (
        NodeProcess(command, options.out / LOG) as process,
        Spinner('drift_demo') as spinner,
        Listener(spinner.node, NODE, output, options.overlay, topics.camera_info) as listener,
        BagReader(source.bag) as reader,
    ):
        client = TrackerClient(spinner.node, NODE, process.check)
        sender = Sender(spinner.node, {name: reader.topics[name] for name in inputs})
        try:
            client.wait_active(ACTIVE_TIMEOUT, autostart=True)
        except ClientError as error:
            raise NodeDiedError(f'{error}\n{process.last_lines()}') from None
        sender.wait_for_listeners(START_TIMEOUT, process.check)
        listener.wait_for_publishers(START_TIMEOUT, process.check)
        generation = 0

        def prompt(timed: Sequence[TimedPrompt], bundle: Bundle, keep: bool) -> None:
            nonlocal generation
            progress.update(task, description='prompt the node')
            given = [one.prompt for one in timed]
            for attempt in range(PROMPT_ATTEMPTS):
                try:
                    reply = client.reset_targets(given, bundle.stamp, keep_existing=keep)
                    break
                except ClientError:  # a later frame may still be on its way
                    if not keep or attempt == PROMPT_ATTEMPTS - 1:
                        raise
                    time.sleep(0.3)
            generation = reply.generation
            progress.update(task, description='track')

        feeder = Feeder(sender.send, prompt, listener, process.check, options.rate)
        raw = reader.raw(inputs)
        first = feeder.run(
            bundles(raw, topics.image, raw_stamp, source.count),
            source.prompts,
            lambda bundle: progress.advance(task),
        )
        progress.update(task, description='wait for the last results')
        _quiet(listener, process.check)
        client.change_state('deactivate', 2 * FLUSH_TIMEOUT)  # labels what is left
        _quiet(listener, process.check)
        diagnostics = dict(listener.diagnostics)
    progress.update(task, description='read the recording')
    results = recorded.observations(output, f'{NODE}/labels', f'{NODE}/tracks', generation)
    truth = None
    if topics.truth_labels:
        truth = recorded.observations(source.bag, topics.truth_labels, topics.truth_tracks)
    progress.update(task, description='tracked')
    run = Run(
        source.name,
        sorted(feeder.sent),
        first,
        results,
        truth,
        feeder.sent,
        played_rate({t: at for t, at in feeder.sent.items() if t > first}),
        diagnostics,
    )
    return run, diagnostics


def _configure_dds() -> None:
    """Keep to this machine, and let images go through shared memory, for us and the node alike."""
    os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    memory = Path('/dev/shm')
    if memory.is_dir() and shutil.disk_usage(memory).free > SHARED_MEMORY:
        profile = str(resources.path('config', 'fastdds.xml'))
        os.environ.setdefault('FASTRTPS_DEFAULT_PROFILES_FILE', profile)


def _command(executable: Path, topics: Topics, options: Options) -> list[str]:
    command = [str(executable), '--ros-args', '-r', f'__ns:={NAMESPACE}']
    given = {'image': topics.image, 'camera_info': topics.camera_info, 'depth': topics.depth}
    for name, topic in given.items():
        if topic:
            command += ['-r', f'{name}:={topic}']
    if options.config:
        command += ['--params-file', str(options.config)]
    parameters = {
        'autostart': 'true',
        'image_transport': 'compressed' if topics.compressed else 'raw',
        'missing_input_timeout': '0.0',
        'service_timeout': f'{FLUSH_TIMEOUT}',
    }
    if options.features:
        parameters['features.name'] = options.features
    # Large images get lost on the way between processes unless both sides insist on them; here
    # only the tracker's own losses are to count.
    for topic in filter(None, given.values()):
        parameters[f'qos_overrides.{topic}.subscription.reliability'] = 'reliable'
    for name, value in parameters.items():
        command += ['-p', f'{name}:={value}']
    return command


def _quiet(listener: Listener, alive: Callable[[], None]) -> None:
    """Wait until no result has come for a moment."""
    while time.monotonic() - listener.last < QUIET:
        alive()
        time.sleep(0.05)


# ------------------------------------------------------------------------------------- output


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn('{task.description:<25}'),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
    )


def _video_rate(stamps: Sequence[int]) -> float:
    if len(stamps) < 2:
        return 1.0
    return (len(stamps) - 1) / max((stamps[-1] - stamps[0]) / 1e9, 1e-3)


def _facts(options: Options, source: Source, diagnostics: dict[str, str]) -> dict[str, str]:
    where = ', '.join(diagnostics.get(key, '?') for key in ('device', 'dtype'))
    if options.rate:
        pace = f'{options.rate:g} times as fast as recorded, whether the tracker follows or not'
    else:
        pace = 'as fast as the tracker answers, at most as fast as recorded'
    return {
        'made': f'{datetime.now():%Y-%m-%d %H:%M}',
        'input': str(source.bag),
        'topics': ', '.join(
            name
            for name in (source.topics.image, source.topics.camera_info, source.topics.depth)
            if name
        ),
        'prompts': f'{len(source.prompts)}, by {diagnostics.get("segmenter", "?")}',
        'features': diagnostics.get('features', '?'),
        'device': where,
        'frames were sent': pace,
    }


def _show(
    console: Console, options: Options, run: Run, measures: Measures, files: Files, took: float
) -> None:
    scorer = measures.scorer
    if scorer is not None:
        for obj in scorer.objects:
            line = f'  {title(obj.id, obj.name)}: mean IoU {obj.mean_iou:.3f}'
            line += f', id switches {obj.switches}'
            if math.isfinite(error := obj.median_position_error):
                line += f', median position error {error * 100:.1f} cm'
            console.print(line, highlight=False, markup=False)
    latency = measures.latency_percentile(50) * 1e3
    console.print(
        f'  {len(measures.stamps)} frames at {run.rate:.1f} frames/s, {measures.dropped} without a '
        f'result, median latency {latency:.0f} ms',
        highlight=False,
    )
    console.print(f'  {files.page}  ({took:.0f} s in all)', highlight=False, soft_wrap=True)
