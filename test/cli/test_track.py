"""`drift track` on small synthetic folders: everything it writes is read back."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch
import yaml
from clips import SIZE, blue_mask, iou, picture, red_mask
from PIL import Image
from typer.testing import CliRunner, Result

from drift_ros.cli.main import make_app
from drift_ros.features import Descriptors, Window
from drift_ros.features.patch import PatchExtractor
from drift_ros.io.bags import BagReader
from drift_ros.tracking import Tracker

FRAMES = 6
FAST = ('--set', 'features.resolution=64', '--set', 'propagation.radius=6', '--device', 'cpu')

Track = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / 'frames'
    folder.mkdir()
    for index in range(FRAMES):
        cv2.imwrite(str(folder / f'f{index:02d}.png'), picture(index)[..., ::-1])
    return folder


@pytest.fixture
def annotation(tmp_path: Path) -> Path:
    values = np.zeros(SIZE, np.uint8)
    values[red_mask(0)], values[blue_mask(0)] = 1, 7
    path = tmp_path / 'first.png'
    Image.fromarray(values).save(path)
    return path


@pytest.fixture
def track(folder: Path, annotation: Path, tmp_path: Path) -> Track:
    def call(
        *options: str,
        source: Path = folder,
        prompts: Path = annotation,
        out: Path = tmp_path / 'out',
    ) -> Result:
        words = ['track', str(source), '--prompts', str(prompts), '--out', str(out), *FAST]
        return CliRunner().invoke(make_app(), [*words, *options])

    return call


def record(out: Path) -> dict[str, object]:
    return dict(json.loads((out / 'run.json').read_text()))


def rows(out: Path) -> list[dict[str, str]]:
    with (out / 'tracks.csv').open(newline='') as file:
        return list(csv.DictReader(file))


def read_labels(out: Path, name: str) -> np.ndarray:
    with Image.open(out / 'labels' / f'{name}.png') as image:
        assert image.mode == 'P'
        return np.asarray(image)


def snapshot(out: Path) -> dict[str, tuple[int, bytes]]:
    files = (f for f in out.rglob('*') if f.is_file())
    return {str(f): (f.stat().st_mtime_ns, f.read_bytes()) for f in files}


def test_writes_labels_csv_video_bag_and_record(track: Track, tmp_path: Path) -> None:
    out = tmp_path / 'out'
    result = track('--fps', '10')
    assert result.exit_code == 0, result.output
    assert '6 of 6' in result.output and str(out) in result.output

    assert sorted(f.stem for f in (out / 'labels').iterdir()) == [f'f0{i}' for i in range(FRAMES)]
    for index in range(FRAMES):
        labels = read_labels(out, f'f{index:02d}')
        assert iou(labels == 1, red_mask(index)) > 0.7
        assert iou(labels == 7, blue_mask(index)) > 0.7

    table = rows(out)
    assert [(int(r['frame']), int(r['id'])) for r in table] == [
        (index, id_) for index in range(FRAMES) for id_ in (1, 7)
    ]
    assert int(table[2]['stamp_ns']) - int(table[0]['stamp_ns']) == 100_000_000
    labels = read_labels(out, 'f03')
    row = table[2 * 3 + 1]
    ys, xs = np.nonzero(labels == 7)
    assert int(row['area']) == len(xs)
    assert float(row['centroid_x']) == pytest.approx(xs.mean(), abs=1e-3)
    assert float(row['centroid_y']) == pytest.approx(ys.mean(), abs=1e-3)
    assert (int(row['roi_x']), int(row['roi_width'])) == (xs.min(), xs.max() - xs.min() + 1)

    with BagReader(out / 'bag') as bag:
        messages = list(bag.messages())
    tracks = [m for topic, _, m in messages if topic == '/tracker/tracks']
    maps = [m for topic, _, m in messages if topic == '/tracker/labels']
    assert len(tracks) == len(maps) == FRAMES
    assert [o.id for o in tracks[0].objects] == [1, 7]
    assert maps[3].encoding == '8UC1'
    np.testing.assert_array_equal(maps[3].data.reshape(SIZE), labels)

    with av.open(str(out / 'overlay.mp4')) as video:
        assert video.streams.video[0].average_rate == 10
        shapes = [f.to_ndarray(format='rgb24').shape for f in video.decode(video=0)]
    assert shapes == [(*SIZE, 3)] * FRAMES

    facts = record(out)
    assert facts['state'] == 'finished' and facts['device'] == 'cpu'
    assert facts['counts']['results'] == FRAMES  # type: ignore[index]
    assert facts['run']['settings']['features.resolution'] == 64  # type: ignore[index]


def test_a_finished_run_is_not_repeated(track: Track, tmp_path: Path) -> None:
    track()
    before = snapshot(tmp_path / 'out')
    result = track()
    assert result.exit_code == 0 and 'finished' in result.output
    assert snapshot(tmp_path / 'out') == before


def test_other_settings_are_refused_by_name(track: Track, tmp_path: Path) -> None:
    track()
    before = snapshot(tmp_path / 'out')
    result = track('--set', 'propagation.top_k=3')
    assert result.exit_code == 2
    assert 'propagation.top_k was 10 and is 3' in result.stderr, result.stderr
    assert '--overwrite' in result.stderr and 'features' not in result.stderr
    assert snapshot(tmp_path / 'out') == before


def test_a_changed_input_is_another_run(track: Track, folder: Path) -> None:
    track()
    cv2.imwrite(str(folder / 'f06.png'), picture(6)[..., ::-1])
    result = track()
    assert result.exit_code == 2 and 'input_digest' in result.stderr


def test_overwrite_deletes_only_what_a_run_wrote(track: Track, tmp_path: Path) -> None:
    out = tmp_path / 'out'
    track()
    foreign = [out / 'notes.txt', out / 'labels' / 'mine.png']
    for file in foreign:
        file.write_text('mine')
    result = track('--overwrite', '--no-overlay', '--set', 'propagation.top_k=3')
    # its folder of labels is no longer ours alone: refused rather than mixed
    assert result.exit_code == 2 and 'labels' in result.stderr
    assert all(file.read_text() == 'mine' for file in foreign)

    foreign[1].unlink()
    (out / 'labels').rmdir()
    result = track('--overwrite', '--no-overlay', '--set', 'propagation.top_k=3')
    assert result.exit_code == 0, result.output
    assert foreign[0].read_text() == 'mine'
    assert not (out / 'overlay.mp4').exists() and len(list((out / 'labels').iterdir())) == FRAMES


def test_files_of_others_are_never_touched(track: Track, tmp_path: Path) -> None:
    out = tmp_path / 'out'
    (out / 'labels').mkdir(parents=True)
    (out / 'labels' / 'f00.png').write_text('mine')
    for options in ((), ('--overwrite',)):
        result = track(*options)
        assert result.exit_code == 2 and 'labels' in result.stderr
        assert (out / 'labels' / 'f00.png').read_text() == 'mine'
        assert not (out / 'run.json').exists()


def test_a_listed_path_outside_the_folder_is_spared(track: Track, tmp_path: Path) -> None:
    track()
    outside = tmp_path / 'outside.txt'
    outside.write_text('mine')
    with (tmp_path / 'out' / 'files.txt').open('a') as file:
        file.write(f'../outside.txt\n{outside}\n')
    assert track('--overwrite').exit_code == 0
    assert outside.read_text() == 'mine'


def test_a_prompt_on_a_later_frame(track: Track, tmp_path: Path) -> None:
    values = np.zeros(SIZE, np.uint8)
    values[blue_mask(3)] = 1
    Image.fromarray(values).save(tmp_path / 'blue.png')
    values[...] = 0
    values[red_mask(0)] = 1
    Image.fromarray(values).save(tmp_path / 'red.png')
    prompts = tmp_path / 'prompts.yaml'
    entries = [
        {'name': 'red', 'mask': 'red.png'},
        {'name': 'blue', 'mask': 'blue.png', 'stamp': '1.125'},  # frame 3 at 24 frames/s
    ]
    prompts.write_text(yaml.safe_dump({'prompts': entries}))
    result = track(prompts=prompts)
    assert result.exit_code == 0, result.output
    seen = {(int(r['frame']), r['name']) for r in rows(tmp_path / 'out')}
    assert seen == {(i, 'red') for i in range(6)} | {(i, 'blue') for i in range(3, 6)}
    assert iou(read_labels(tmp_path / 'out', 'f05') == 2, blue_mask(5)) > 0.7


def test_a_prompt_whose_frame_never_comes(track: Track, tmp_path: Path) -> None:
    prompts = tmp_path / 'prompts.yaml'
    prompts.write_text('prompts: [{name: cup, box: [8, 8, 16, 16], frame: 6}]')
    result = track(prompts=prompts)
    assert result.exit_code == 2 and 'cup on frame 6' in result.stderr
    assert not (tmp_path / 'out').exists()

    prompts.write_text("prompts: [{name: cup, box: [8, 8, 16, 16], stamp: '1.5'}]")
    result = track(prompts=prompts)
    assert result.exit_code == 2 and 'cup on stamp 1.500000000 s' in result.stderr
    assert record(tmp_path / 'out')['state'] == 'failed'


def test_a_prompt_on_a_broken_frame_is_named(track: Track, folder: Path, tmp_path: Path) -> None:
    (folder / 'f02.png').write_bytes(b'no picture')
    prompts = tmp_path / 'prompts.yaml'
    prompts.write_text('prompts: [{name: cup, box: [8, 8, 16, 16], frame: 2}]')
    result = track(prompts=prompts)
    assert result.exit_code == 2 and 'cup on frame 2' in result.stderr
    counts = record(tmp_path / 'out')['counts']
    assert counts['skipped'] == 1 and 'f02.png' in counts['skipped_reasons'][0]  # type: ignore[index]


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        (('--set', 'propagation.topk=3'), ('propagation.topk', 'propagation.top_k')),
        (('--set', 'propagation.top_k'), ('name=value',)),
        (('--set', 'propagation.top_k=many'), ('propagation.top_k', 'many')),
        (('--features', 'magic'), ('magic', 'patch')),
        (('--config', 'nowhere'), ('nowhere', 'realtime')),
        (('--fps', '-1'), ('-1',)),
        (
            ('--features', 'video-unet', '--set', 'features.video.checkpoint=/nowhere'),
            ('features.video.checkpoint', '/nowhere'),
        ),
    ],
)
def test_bad_options(track: Track, tmp_path: Path, options: tuple[str, ...], words: tuple[str]):
    result = track(*options)
    assert result.exit_code == 2
    assert all(word in result.stderr for word in words), result.stderr
    assert 'Traceback' not in result.stderr
    assert not (tmp_path / 'out').exists()


def test_bad_input(track: Track, tmp_path: Path) -> None:
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'bad.yaml').write_text('prompts: [{box: [1, 2]}]')
    (tmp_path / 'outside.yaml').write_text('prompts: [{box: [500, 8, 16, 16]}]')
    nowhere = tmp_path / 'nowhere'
    for result, word in (
        (track(source=nowhere), 'nowhere'),
        (track(source=tmp_path / 'empty'), 'empty'),
        (track(prompts=nowhere), 'nowhere'),
        (track(prompts=tmp_path / 'bad.yaml'), 'prompts.0.box'),
        (track(prompts=tmp_path / 'outside.yaml'), '500'),
    ):
        assert result.exit_code == 2 and word in result.stderr, result.stderr
        assert 'Traceback' not in result.stderr and result.stderr.count('drift: ') == 1


def test_the_nodes_parameters_are_accepted(track: Track, tmp_path: Path) -> None:
    values = {'image_transport': 'compressed', 'depth': {'slop': 0.5}, 'use_sim_time': True}
    config = tmp_path / 'robot.yaml'
    config.write_text(
        yaml.safe_dump({'/**': {'ros__parameters': values | {'window': {'history': 9}}}})
    )
    assert track('--config', str(config), '--set', 'propagation.top_k=3').exit_code == 0
    settings = record(tmp_path / 'out')['run']['settings']  # type: ignore[index]
    assert settings['window.history'] == 9 and settings['propagation.top_k'] == 3
    assert not any(name.startswith('depth') for name in settings)


def test_ctrl_c_leaves_whole_files(
    track: Track, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Tracker.step

    def interrupted(self: Tracker, frame, *prompts, **upcoming):  # type: ignore[no-untyped-def]
        if frame.index == 3:
            raise KeyboardInterrupt
        return step(self, frame, *prompts, **upcoming)

    monkeypatch.setattr(Tracker, 'step', interrupted)
    result = track('--features', 'patch')  # no window has to fill
    out = tmp_path / 'out'
    assert result.exit_code == 130 and 'interrupted' in result.stderr
    assert record(out)['state'] == 'interrupted'
    assert len(rows(out)) == 2 * 3 and len(list((out / 'labels').iterdir())) == 3
    with BagReader(out / 'bag') as bag:
        assert bag.count('/tracker/tracks') == 3
    with av.open(str(out / 'overlay.mp4')) as video:
        assert sum(1 for _ in video.decode(video=0)) == 3

    monkeypatch.undo()
    result = track()
    assert result.exit_code == 2 and 'interrupted' in result.stderr
    assert track('--overwrite').exit_code == 0
    assert record(out)['state'] == 'finished'


def test_a_bag_as_input(track: Track, tmp_path: Path) -> None:
    from drift_ros.io import messages
    from drift_ros.io.bag_writer import BagWriter

    source = tmp_path / 'camera'
    with BagWriter(source) as bag:
        for index in range(3):
            stamp = 10**18 + index * 40_000_000 + 1
            for topic in ('/left', '/right'):
                image = messages.image(picture(index), 'rgb8', stamp, 'lens')
                bag.write(topic, messages.IMAGE, image, stamp)
    result = track(source=source)
    assert result.exit_code == 2 and '/left' in result.stderr and '/right' in result.stderr
    assert track('--topic', '/left', source=source).exit_code == 0
    assert sorted(f.stem for f in (tmp_path / 'out' / 'labels').iterdir())[-1] == '00002'
    assert int(rows(tmp_path / 'out')[0]['stamp_ns']) == 10**18 + 1


def test_ctrl_c_waits_until_a_result_is_written() -> None:
    script = (
        'import os, signal, time\n'
        'from drift_ros.runs.interrupts import interrupts_held\n'
        'try:\n'
        '    with interrupts_held():\n'
        '        os.kill(os.getpid(), signal.SIGINT); time.sleep(0.01); print("whole")\n'
        '    print("too late")\n'
        'except KeyboardInterrupt:\n'
        '    print("stopped")\n'
    )
    done = subprocess.run(
        [sys.executable, '-c', script],
        capture_output=True,
        text=True,
        env=os.environ,
        timeout=30,
        check=True,
    )
    assert done.stdout.split() == ['whole', 'stopped']


def test_a_window_that_fails_ends_the_run_after_what_was_done(
    track: Track, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    extract, calls = PatchExtractor.extract, []

    def scarce(self: PatchExtractor, window: Window) -> Descriptors:
        calls.append(window)
        if len(calls) == 3:
            raise torch.OutOfMemoryError('tried to allocate 2.00 GiB')
        return extract(self, window)

    monkeypatch.setattr(PatchExtractor, 'extract', scarce)
    result = track('--features', 'patch')
    assert result.exit_code != 0
    assert 'window.length' in str(result.exception) + result.output
    assert record(tmp_path / 'out')['state'] == 'failed'
    assert iou(read_labels(tmp_path / 'out', 'f01') == 1, red_mask(1)) > 0.7
