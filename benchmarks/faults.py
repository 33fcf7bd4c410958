"""Seeded fuzz of the running node: messages, services, parameters and transitions.

    python benchmarks/faults.py --minutes 60 --seed 1
    python benchmarks/faults.py --frames 100000

The node is a process of its own. Faults come in random order, each in a batch of trials; after each
batch the node has to answer, to track an image, and to be there. The table gives, per fault, the
trials, how many the node survived, how it reported them, and how much its memory grew over them.
With --frames the node tracks so many good images instead, all outputs listened to; its memory is
printed on the way. The exit status is 1 if the node did not survive, or did not leave as it should.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from fuzzed_node import ANSWER, PERIOD, SECOND, SIZE, STATES, Fuzzer
from lifecycle_msgs.msg import Transition
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image, RegionOfInterest

from drift_ros.msg import Point2D, Prompt
from drift_ros.node_settings import NodeSettings
from drift_ros.ros.messages import header
from drift_ros.settings import flatten

BATCH = 10
PACE = 0.01  # s between trials, so that not all images are dropped before they are looked at
MEBIBYTE = 2**20
ENCODINGS = (
    'rgb8',
    'bgr8',
    'mono8',
    'bayer_rggb8',
    '16UC1',
    '32FC1',
    'rgba16',
    'nonsense',
    '',
    'x' * 999,
)
NUMBERS = (0, -1, 1, 1e-300, 1e300, float('nan'), float('inf'), 2**31, -(2**63), 0.5, 7)


@dataclass(slots=True)
class Row:
    """What became of one fault."""

    trials: int = 0
    survived: int = 0
    reported: Counter[str] = field(default_factory=Counter)
    grown: int = 0


# ----------------------------------------------------------------------------------- the faults


def bad_stamp(f: Fuzzer) -> None:
    message = f.image()
    message.header.stamp.nanosec = f.chance.randrange(SECOND, 2**32)
    f.topics['image'].publish(message)


def no_stamp(f: Fuzzer) -> None:
    f.show(header=header(0, 'camera'))


def time_jump(f: Fuzzer) -> None:
    f.show(header=header(f.chance.randrange(-(2**31) * SECOND, 2**31 * SECOND), 'camera'))


def time_forward_for_good(f: Fuzzer) -> None:
    f.stamp = min(f.stamp + f.chance.randrange(400 * 86400 * SECOND), (2**31 - 1000) * SECOND)
    f.show()


def other_camera(f: Fuzzer) -> None:
    f.show(header=header(f.stamp + PERIOD, f.chance.choice(['', 'other', 'ü\n' * 5000])))


def other_size(f: Fuzzer) -> None:
    size = f.chance.randrange(1, 200), f.chance.randrange(1, 200)
    f.topics['image'].publish(f.image(size))


def other_encoding(f: Fuzzer) -> None:
    f.show(encoding=f.chance.choice(ENCODINGS))


def damaged_image(f: Fuzzer) -> None:
    name = f.chance.choice(['height', 'width', 'step'])
    f.show(**{name: f.chance.choice([0, 1, 47, 4096, 2**31, 2**32 - 1])})


def cut_image(f: Fuzzer) -> None:
    message = f.image()
    del message.data[f.chance.randrange(len(message.data)) :]
    f.topics['image'].publish(message)


def damaged_depth(f: Fuzzer) -> None:
    message = f.image()
    message.encoding = f.chance.choice(ENCODINGS)
    message.header.stamp.nanosec = f.chance.choice([0, 5, 2**32 - 1])
    f.topics['depth'].publish(message)


def damaged_calibration(f: Fuzzer) -> None:
    values = [f.chance.choice([0.0, float('nan'), float('inf'), 1e300, -1.0]) for _ in range(9)]
    size = f.chance.choice([0, 48, 2**32 - 1])
    f.topics['camera_info'].publish(
        CameraInfo(header=header(f.stamp, 'camera'), width=size, k=values)
    )


def chaotic_clock(f: Fuzzer) -> None:
    message = Clock()
    message.clock.sec = f.chance.randrange(-(2**31), 2**31)
    message.clock.nanosec = f.chance.randrange(2**32)
    f.topics['/clock'].publish(message)
    time.sleep(0.02)  # only the newest one waits


def random_prompt(f: Fuzzer) -> None:
    def coordinate() -> float:
        return f.chance.choice([f.chance.uniform(-10, 80), *map(float, NUMBERS)])

    few, any_size = f.chance.choice([0, 1, 3]), [0, 1, 5, 40, 2**32 - 1]
    prompt = Prompt(
        id=f.chance.choice([0, 1, 7, 254, 255, 65535]), name='n' * f.chance.choice([0, 9])
    )
    prompt.points = [Point2D(x=coordinate(), y=coordinate()) for _ in range(few)]
    prompt.point_labels = [f.chance.randrange(3) for _ in range(f.chance.choice([0, few, few + 1]))]
    for _ in range(f.chance.choice([0, 1, 2])):
        x, y, width, height = (f.chance.choice(any_size) for _ in range(4))
        prompt.boxes.append(RegionOfInterest(x_offset=x, y_offset=y, width=width, height=height))
    if f.chance.random() < 0.3:
        prompt.mask = f.image(f.chance.choice([SIZE, (5, 5)]))
        prompt.mask.encoding = f.chance.choice(['mono8', '8UC1', 'rgb8'])
    if f.chance.random() < 0.4:
        prompt = Prompt(boxes=[RegionOfInterest(x_offset=3, y_offset=3, width=20, height=20)])
    camera = header(f.chance.choice([0, 0, f.stamp, f.stamp - PERIOD, 17]), '')
    f.show()
    f.call(
        'reset_targets',
        prompts=[prompt] * f.chance.choice([1, 1, 2]),
        image_header=camera,
        keep_existing=f.chance.random() < 0.5,
    )


def huge_prompt(f: Fuzzer) -> None:
    box = RegionOfInterest(x_offset=3, y_offset=3, width=20, height=20)
    count = f.chance.choice([200, 300, 3000])
    f.show()
    f.call('reset_targets', wait=False, prompts=[Prompt(boxes=[box] * count)])
    f.call('clear')


def removals(f: Fuzzer) -> None:
    f.call('remove_targets', ids=[f.chance.randrange(300) for _ in range(f.chance.randrange(4))])


def calls_at_once(f: Fuzzer) -> None:
    for _ in range(8):
        f.call('clear', wait=False)


def pauses(f: Fuzzer) -> None:
    f.call('pause', data=f.chance.random() < 0.5)
    f.show()


def parameters(f: Fuzzer) -> None:
    present = flatten(NodeSettings())
    # what the rest of this run is measured by stays
    names = [n for n in present if not n.startswith(('diagnostics', 'features', 'service_timeout'))]
    name = f.chance.choice([*names, 'nonsense', 'use_sim_time', ''])
    value = f.chance.choice([*NUMBERS, '', 'x' * 5000, True, [1, 2]])
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        value = float(value)
    f.set_parameter(name, value)


def transitions(f: Fuzzer) -> None:
    f.call('change_state', wait=False, transition=Transition(id=STATES[f.chance.choice([*STATES])]))
    f.show()


FAULTS: dict[str, Callable[[Fuzzer], None]] = {
    'stamp with a fraction of a second or more': bad_stamp,
    'image without a stamp': no_stamp,
    'one image of any other time': time_jump,
    'time forward, for good': time_forward_for_good,
    'image of another camera': other_camera,
    'another size in every image': other_size,
    'another or an unknown encoding': other_encoding,
    'height, width or step that do not fit': damaged_image,
    'data cut short': cut_image,
    'unusable depth': damaged_depth,
    'unusable calibration': damaged_calibration,
    'chaotic /clock': chaotic_clock,
    'random prompts': random_prompt,
    'prompt of up to 3000 boxes, then clear': huge_prompt,
    'removal of random ids': removals,
    'many calls at once': calls_at_once,
    'pause and go on': pauses,
    'random parameters': parameters,
    'random transitions beside images': transitions,
}


def run(fuzzer: Fuzzer, seconds: float) -> tuple[dict[str, Row], str]:
    """All faults in random order until the time is over. Returns the rows, and what went wrong."""
    rows = {name: Row() for name in FAULTS}
    fuzzer.wait_ready()
    fuzzer.settle()
    end = time.monotonic() + seconds
    while True:
        names = list(FAULTS)
        fuzzer.chance.shuffle(names)
        for name in names:
            if time.monotonic() > end and all(row.trials for row in rows.values()):
                return rows, ''
            row, before = rows[name], fuzzer.memory
            fuzzer.said.clear()
            try:
                for _ in range(BATCH):
                    row.trials += 1
                    FAULTS[name](fuzzer)
                    time.sleep(PACE)
                fuzzer.settle()
            except RuntimeError as error:
                return rows, f'{name}: {error}'
            row.survived = row.trials
            row.grown += fuzzer.memory - before
            time.sleep(0.3)  # for the report
            row.reported += fuzzer.said


def soak(fuzzer: Fuzzer, frames: int) -> str:
    """Track good images one by one, each once the last is answered. Returns what went wrong."""
    for topic in ('labels', 'overlay'):
        fuzzer.node.create_subscription(Image, f'tracker/{topic}', lambda _: None, 10, raw=True)
    boxes = [RegionOfInterest(x_offset=x, y_offset=15, width=18, height=18) for x in (2, 23, 44)]
    try:
        fuzzer.wait_ready()
        fuzzer.settle()
        prompts = [Prompt(boxes=[box]) for box in boxes]
        if not (answer := fuzzer.call('reset_targets', prompts=prompts)).success:
            return f'the prompts were refused: {answer.message}'
        print('| frames | answered | memory, MiB |\n|---|---|---|')
        begun = fuzzer.tracked
        for sent in range(1, frames + 1):
            before, end = fuzzer.tracked, time.monotonic() + ANSWER
            fuzzer.show()
            while fuzzer.tracked == before and time.monotonic() < end:
                time.sleep(0.0005)
                fuzzer.check()
            if sent == 100 or sent % max(1, frames // 10) == 0:
                memory = fuzzer.memory / MEBIBYTE
                print(f'| {sent} | {fuzzer.tracked - begun} | {memory:.1f} |', flush=True)
    except RuntimeError as error:
        return str(error)
    return ''


def main() -> int:
    """Run and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--minutes', type=float, default=1.0)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--frames', type=int, default=0, help='good images instead of faults')
    parser.add_argument('--log', type=Path, default=Path(os.devnull), help='file for its log')
    options = parser.parse_args()
    with options.log.open('w') as log:
        fuzzer = Fuzzer(options.seed, log)
    start, begun = time.monotonic(), 0
    try:
        if options.frames:
            wrong = soak(fuzzer, options.frames) or fuzzer.leave()
            print(wrong)
            return bool(wrong)
        rows, wrong = run(fuzzer, 60 * options.minutes)
        begun = sum(row.trials for row in rows.values())
        wrong = wrong or fuzzer.leave()
    finally:
        fuzzer.close()
    print(f'seed {options.seed}, {time.monotonic() - start:.0f} s, {begun} trials\n')
    print('| fault | trials | survived | reported as | memory, MiB |')
    print('|---|---|---|---|---|')
    for name, row in rows.items():
        said = (
            ', '.join(f'{what} ({n})' for what, n in row.reported.most_common(3)) or 'nothing wrong'
        )
        grown = f'{row.grown / MEBIBYTE:+.1f}'
        print(f'| {name} | {row.trials} | {row.survived} | {said} | {grown} |')
    if wrong:
        print(f'\nnot survived: {wrong}')
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
