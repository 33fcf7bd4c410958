"""The demonstration from beginning to end: input, node, prompts, recording, report."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
from drift_ros.demo.feed import Bundle, Feeder, bundles
from drift_ros.demo.process import NodeDiedError, NodeProcess, find_executable
from drift_ros.demo.topics import Topics, choose
from drift_ros.errors import DriftError, OutputError, SourceError
from drift_ros.evaluation.recorded import output
from drift_ros.evaluation.recorded.scoring import LiveScore, Request, score_recording
from drift_ros.evaluation.reporting.terminal import print_live
from drift_ros.io.bags import BagReader
from drift_ros.io.messages import raw_stamp
from drift_ros.node_settings import NodeSettings
from drift_ros.prompts.files import TimedPrompt, read_prompts
from drift_ros.runs.atomic import write_text
from drift_ros.settings import build, flatten, read_yaml
from drift_ros.synthetic.export import write_bag

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
WRITTEN = ('report.html', 'results.json', 'results.csv', 'overlay.mp4', 'sheet.png', 'sequences')
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
class Played:
    """What was played.

    Attributes:
        generation: of the targets after the last prompt.
        last: stamp in ns of the last frame.
        diagnostics: last values of the node.
    """

    generation: int
    last: int
    diagnostics: dict[str, str]


@dataclass(frozen=True, slots=True)
class Source:
    """What is to be played."""

    name: str
    bag: Path
    topics: Topics
    prompts: Sequence[TimedPrompt]
    count: int


def run_demo(options: Options, console: Console) -> LiveScore:
    """Run the demonstration.

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
            played = _play(options, source, executable, progress)
    except NodeDiedError as error:
        reason, _, log = str(error).partition('\n')
        console.print(log, style='dim', markup=False, highlight=False)
        raise NodeDiedError(f'{reason}; {options.out / LOG} says why') from None
    with console.status('writing scores, video and report'):
        live, content, page = _score(options, source, played, settings)
    print_live(console, content['sequences'][live.score.name])
    took = time.monotonic() - begin
    console.print(f'{page}  ({took:.0f} s in all)', highlight=False, soft_wrap=True)
    return live


# -------------------------------------------------------------------------------------- input


def _prepare(out: Path) -> None:
    """Make the folder, and remove what an earlier demonstration left in it."""
    own = [INPUT, OUTPUT, LOG, PROMPTS, *WRITTEN]
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
        topics = choose(reader, options.image, options.depth)
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
    write_text(prompts, yaml.safe_dump({'prompts': boxes}, sort_keys=False))
    with _progress(console) as progress:
        task = progress.add_task(f'render {options.scene}', total=len(scene))
        write_bag(scene, bag, on_frame=lambda frame: progress.advance(task))


# ------------------------------------------------------------------------------------ playing


def _play(options: Options, source: Source, executable: Path, progress: Progress) -> Played:
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
    camera = topics.camera_info or topics.image
    task = progress.add_task('load libraries and weights', total=source.count)
    command = _command(executable, topics, options)
    bag = options.out / OUTPUT
    with (
        NodeProcess(command, options.out / LOG) as process,
        Spinner('drift_demo') as spinner,
        BagReader(source.bag) as reader,
        Listener(
            spinner.node, NODE, bag, options.overlay, (camera, reader.topics[camera])
        ) as listener,
    ):

        def alive() -> None:
            process.check()
            listener.check()

        client = TrackerClient(spinner.node, NODE, alive)
        sender = Sender(spinner.node, {name: reader.topics[name] for name in topics.inputs})
        try:
            client.wait_active(ACTIVE_TIMEOUT, autostart=True)
        except ClientError as error:
            raise NodeDiedError(f'{error}\n{process.last_lines()}') from None
        sender.wait_for_listeners(START_TIMEOUT, alive)
        listener.wait_for_publishers(START_TIMEOUT, alive)
        generation = 0
        progress.update(task, description='wait for the first frame')

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

        feeder = Feeder(sender.send, prompt, listener, alive, options.rate)
        raw = reader.raw(topics.inputs)
        feeder.run(
            bundles(raw, topics.image, raw_stamp, source.count),
            source.prompts,
            lambda bundle: progress.advance(task),
        )
        progress.update(task, description='wait for the last results')
        _quiet(listener, alive)
        client.change_state('deactivate', 2 * FLUSH_TIMEOUT)  # labels what is left
        _quiet(listener, alive)
        diagnostics = dict(listener.diagnostics)
    progress.update(task, description='tracked')
    return Played(generation, feeder.sent[-1], diagnostics)


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
        TextColumn('{task.description:<26}'),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
    )


def _score(
    options: Options, source: Source, played: Played, settings: dict[str, Any]
) -> tuple[LiveScore, dict[str, Any], Path]:
    """Score the recording as `drift score` does, and write what it writes."""
    topics = source.topics
    request = Request(
        recorded=options.out / OUTPUT,
        truth=source.bag if topics.truth else None,
        labels=f'{NODE}/labels',
        tracks=f'{NODE}/tracks',
        truth_labels=topics.truth or None,
        image=topics.camera_info or topics.image,
        generation=played.generation,
        last=played.last,
        name=source.name,
        played=True,
    )
    live = score_recording(request)
    pace = (
        f'{options.rate:g} times as fast as recorded' if options.rate else 'as the tracker answers'
    )
    content = output.record(
        request, live, settings, diagnostics=played.diagnostics | {'frames were sent': pace}
    )
    page = output.write(options.out, request, live, True, content, overlay=True)
    return live, content, page
