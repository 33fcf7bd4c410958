"""Names of objects, sequences and files in any script, with line breaks, markup or 10 kB."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import yaml
from clips import SIZE, picture
from command import drift
from davis_folders import davis_folder
from PIL import Image
from recordings import Bag, moving, stamp

from drift_ros.demo import run as demo
from drift_ros.io.bags import BagReader

MARKUP = '<img src=x onerror=alert(1)>'
SCRIPT = '</script><script>alert(1)</script>'
LONG = 'x' * 10_000
NAMES = [
    'ein Bär & Söhne', '杯子 👨‍👩‍👧', 'two\nlines\r\n', 'x' * 1000, MARKUP, SCRIPT, '\x1b[31mred',
    '"quoted", \'twice\'', '=cmd|x', '[red]markup[/red]', '\\input{/etc/passwd}', '{{ 7 * 7 }}',
]  # fmt: skip


def pages(folder: Path) -> list[str]:
    return [file.read_text() for file in folder.rglob('*') if file.suffix in ('.html', '.svg')]


def test_objects_of_a_run_keep_their_names(tmp_path):
    """Also where the folders have spaces and other scripts in their names."""
    frames, out = tmp_path / 'die Bilder', tmp_path / '結果 (1)'
    frames.mkdir()
    for index in range(3):
        cv2.imwrite(str(frames / f'{index}.png'), picture(index))
    values = np.zeros(SIZE, np.uint8)
    for number in range(len(NAMES)):
        values[8:24, 8 * number : 8 * number + 8] = number + 1
    Image.fromarray(values).save(tmp_path / 'erste Maske.png')
    entries = [
        {'name': name, 'mask': 'erste Maske.png', 'value': value}
        for value, name in enumerate(NAMES, 1)
    ]
    prompts = tmp_path / 'Ziele & mehr.yaml'
    prompts.write_text(yaml.safe_dump({'prompts': entries}, allow_unicode=True))
    arguments = ['track', frames, '--prompts', prompts, '--out', out, '--features', 'patch']
    code, said = drift(*arguments, '--set', 'features.resolution=64')
    assert code == 0 and '\x1b[31mred' not in said, said
    with (out / 'tracks.csv').open(newline='') as file:
        assert [row['name'] for row in csv.DictReader(file)][: len(NAMES)] == NAMES
    objects = json.loads((out / 'run.json').read_text())['objects']
    assert [entry['name'] for entry in objects.values()] == NAMES
    with BagReader(out / 'bag') as bag:
        _, _, tracks = next(bag.messages(['/tracker/tracks']))
    assert [obj.name for obj in tracks.objects] == NAMES


def test_objects_in_pages(tmp_path):
    for number, pair in enumerate([(MARKUP, SCRIPT), (LONG, NAMES[0]), (NAMES[2], NAMES[6])]):
        bag = Bag()
        for index in range(3):
            bag.image(stamp(index))
            bag.labels(stamp(index), moving(index))
            bag.tracks(stamp(index), dict(enumerate(pair, 1)), topic='/truth/tracks')
        bag.write(tmp_path / 'data' / f'{number:02d}')
    arguments = ['evaluate', tmp_path / 'data', '--layout', 'bag', '--features', 'flow']
    code, said = drift(*arguments, '--out', tmp_path / 'out')
    assert code == 0 and '\x1b[31mred' not in said, said
    (page,) = pages(tmp_path / 'out')
    assert 'ein Bär &amp; Söhne' in page and '<img src=x' not in page and '<script>al' not in page


def test_sequences_in_pages(tmp_path):
    data = davis_folder(tmp_path / 'data', [MARKUP, 'ein Bär', '二 本'])
    (data / 'ImageSets' / '2017' / 'val.txt').unlink()
    for name in ('one', 'two'):
        arguments = ['evaluate', data, '--layout', 'davis', '--features', 'flow']
        code, said = drift(*arguments, '--out', tmp_path / name)
        assert code == 0, said
    code, said = drift('compare', tmp_path / 'one', tmp_path / 'two', '--out', tmp_path / 'three')
    assert code == 0, said
    found = pages(tmp_path)
    assert len(found) == 3 and all('<img src=x' not in page for page in found)


def test_a_sweep(tmp_path):
    data = davis_folder(tmp_path / MARKUP, [MARKUP], frames=3)
    (data / 'ImageSets' / '2017' / 'val.txt').unlink()  # names end at spaces there
    arguments = ['sweep', data, '--layout', 'davis', '--out', tmp_path / 'out']
    over = f'prompts.checkpoint={MARKUP},"{{{{ 7 * 7 }}}}"'
    code, said = drift(*arguments, '--features', 'patch', '--over', over)
    assert code == 0, said
    found = pages(tmp_path / 'out')
    assert len(found) == 3 and all('<img src=x' not in page for page in found)
    assert any('{{ 7 * 7 }}' in page for page in found)


def test_the_page_of_a_demo(tmp_path):
    bag = Bag()
    for index in range(3):
        bag.image(stamp(index))
        bag.labels(stamp(index), moving(index), topic=f'{demo.NODE}/labels')
        names = {1: MARKUP, 2: SCRIPT}
        bag.tracks(stamp(index), names, topic=f'{demo.NODE}/tracks')
    out = tmp_path / 'demo'
    played = bag.write(out / demo.OUTPUT)
    source = demo.Source(MARKUP, played, demo.Topics('/camera/image'), [], 3)
    told = demo.Played(1, stamp(2), {MARKUP: SCRIPT})
    live, _, page = demo._score(demo.Options(out), source, told, {MARKUP: SCRIPT})
    assert live.score.name == MARKUP
    assert '<img src=x' not in page.read_text() and '<script>al' not in page.read_text()
    assert '&lt;img src=x' in page.read_text()
