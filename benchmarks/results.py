"""Every method that runs here on every data set that is here: the tables of docs/results.md.

    python benchmarks/results.py OUT [--davis ../shared/data/davis/test] [--only embedded ...]
    python benchmarks/results.py OUT --attention    # what the parts of the attention kernel bring

The second takes the clips for choosing, DAVIS val and some videos of kubric-similar val, the first
frames of each, one method after the other in this process; its memory is not that of a method.

Each method tracks each data set by `drift evaluate` in a process of its own, so that its memory is
its own, and leaves a folder with its report in OUT/<data set>/<method>. What is done is not done
again. The tables are printed and written to OUT/results.md.

Backbones whose published weights are not on the machine are run as small networks of the same
classes with random weights, at 240 px: they show that the code runs, not how well the models do.
`embedded, untrained` is the embedded network with random weights too, but of its full size.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
import typer

from drift_ros import resources
from drift_ros.cli.main import make_app
from drift_ros.environment import machine
from drift_ros.features.embedded.create import load
from drift_ros.features.embedded.model import EmbeddedUNet

SMALL = ('--set', 'features.resolution=240')
RENDERED = ('kubric-similar', 'similar-2', 'similar-3', 'similar-4', 'similar-5', 'similar-6')
VIDEOS = ('kubric-similar-val-00', 'kubric-similar-val-01', 'kubric-similar-val-02')  # for choosing
CHOOSING = 8  # frames of each clip
MEASURES = ('J&F', 'J', 'F')


def methods(untrained: Path) -> dict[str, tuple[str, ...]]:
    """Row of the table -> options of `drift evaluate`."""
    found: dict[str, tuple[str, ...]] = {
        'flow': ('--features', 'flow'),
        'patch': ('--features', 'patch'),
        'embedded': ('--features', 'embedded'),
        'embedded-image': ('--features', 'embedded-image'),
        'embedded, untrained': (
            '--features', 'embedded', '--set', f'features.embedded.checkpoint={untrained}',
        ),
    }  # fmt: skip
    for model in ('i2vgen-xl', 'svd', 'modelscope'):
        found[f'{model}, random weights'] = (
            '--features', 'video-unet', '--set', f'features.video.model={model}',
            '--set', 'features.video.checkpoint=untrained', *SMALL,
        )  # fmt: skip
    for model in ('adm', 'sd-2.1'):
        found[f'{model}, random weights'] = (
            '--features', 'image-unet', '--set', f'features.image.model={model}',
            '--set', 'features.image.checkpoint=untrained', *SMALL,
        )  # fmt: skip
    return found


def attention() -> dict[str, tuple[str, ...]]:
    """What each part of the method of DRIFT brings on the embedded model, run as an image model."""

    def row(features: str, *assignments: str) -> tuple[str, ...]:
        chosen = (option for text in assignments for option in ('--set', text))
        return ('--features', features, *chosen)

    cosine, kernel = 'embedded-image', 'embedded-attention'
    window = 'propagation.attention_window=true'
    sharp = 'features.attention.temperature=0.125'
    alike = ('features.attention.compare=keys', sharp)
    inverted = ('features.noise=inversion', 'features.inversion_steps=5')
    both = 'features.attention.layers=0,1'
    fitted, closed = 'adaptation.heads=fitted', 'adaptation.heads=closed-form'
    grabcut, output = 'refinement.backend=grabcut', 'refinement.feedback=false'
    return {
        'cosine of features': row(cosine),
        'cosine, GrabCut': row(cosine, grabcut),
        'cosine, GrabCut on the output alone': row(cosine, grabcut, output),
        'kernel': row(kernel),
        'kernel, window': row(kernel, window),
        'kernel, sharper': row(kernel, sharp),
        'kernel, inversion': row(kernel, *inverted),
        'two blocks': row(kernel, both),
        'two blocks, fitted heads': row(kernel, both, fitted),
        'two blocks, closed form': row(kernel, both, closed),
        'keys': row(kernel, *alike),
        'keys, window': row(kernel, *alike, window),
        'keys, inversion': row(kernel, *alike, *inverted),
        'keys, fitted heads': row(kernel, *alike, fitted),
        'keys, GrabCut': row(kernel, *alike, grabcut),
        'keys, GrabCut on the output alone': row(kernel, *alike, grabcut, output),
        'keys of two blocks': row(kernel, both, *alike),
        'keys of two blocks, fitted heads': row(kernel, both, *alike, fitted),
        'keys of two blocks, window': row(kernel, both, *alike, window),
    }


def main() -> None:
    options = _options()
    untrained = options.out / 'untrained'
    _write_untrained(untrained)
    rows = attention() if options.attention else methods(untrained)
    unknown = set(options.only or ()) - rows.keys()
    if unknown:
        raise SystemExit(f'no method {", ".join(unknown)}; there are: {", ".join(rows)}')
    tables = []
    run = _here if options.attention else _drift
    for title, layout, data in _datasets(options.davis, options.rendered):
        records = {}
        for name in options.only or rows:
            out = options.out / title.replace(' ', '-') / _folder(name)
            command = ['evaluate', data, '--layout', layout, '--out', str(out), '--no-pictures']
            command += ['--frames', str(options.frames)] if options.frames else []
            command += ['--split', 'val'] if options.attention and layout != 'davis' else []
            command += ['--sequences', ','.join(VIDEOS)] if '--split' in command else []
            if not (out / 'results.json').is_file():
                run(*command, *rows[name], '--device', options.device)
            records[name] = json.loads((out / 'results.json').read_text())
        tables.append(f'### {title}\n\n' + '\n'.join(_table(records)))
    facts = ', '.join(f'{key}: {value}' for key, value in machine().items())
    page = '\n\n'.join([*tables, f'{facts}\n'])
    (options.out / 'results.md').write_text(page, encoding='utf-8')
    print(page)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('out', type=Path)
    parser.add_argument('--davis', type=Path, help='folder like DAVIS')
    parser.add_argument('--only', action='append', metavar='METHOD', help='may be repeated')
    parser.add_argument(
        '--attention', action='store_true', help='the parts of the attention kernel in their place'
    )
    parser.add_argument('--frames', type=int, help='only the first ones of every sequence')
    parser.add_argument('--rendered', metavar='SET,SET', help='rendered sets')
    parser.add_argument('--device', default='auto')
    options = parser.parse_args()
    choosing = options.attention
    data = Path('../shared/data/davis')
    options.davis = options.davis or data / ('val' if choosing else 'test')
    options.frames = options.frames or (CHOOSING if choosing else None)
    if options.rendered is None:
        options.rendered = ','.join(RENDERED[:1] if choosing else RENDERED)
    return options


def _datasets(davis: Path, rendered: str) -> list[tuple[str, str, str]]:
    """Title, layout and place."""
    clips = [('DAVIS clips', 'davis', str(davis))] if davis.is_dir() else []
    return [
        *clips,
        *((name.capitalize(), 'kubric-similar', name) for name in rendered.split(',') if name),
    ]


def _write_untrained(folder: Path) -> None:
    """The embedded network with random weights."""
    if folder.is_dir():
        return
    torch.manual_seed(0)
    shipped = load(resources.folder('resource') / 'embedded', torch.float32)
    EmbeddedUNet.from_config(shipped.config).save_pretrained(folder)


def _drift(*arguments: str) -> None:
    command = Path(sys.executable).with_name('drift')
    done = subprocess.run([command if command.is_file() else shutil.which('drift'), *arguments])
    if done.returncode:
        raise SystemExit(f'drift {" ".join(arguments)} failed')


def _here(*arguments: str) -> None:
    """The same in this process, which saves the start of another one."""
    try:
        make_app()(list(arguments), standalone_mode=False)
    except typer.Exit as end:
        if end.exit_code:
            raise SystemExit(f'drift {" ".join(arguments)} failed') from end


def _folder(name: str) -> str:
    return name.replace(', ', '-').replace(' ', '-')


def _table(records: dict[str, dict[str, Any]]) -> Iterable[str]:
    """A row per method, the mean over objects, and J&F of every sequence if they are few."""
    sequences = list(next(iter(records.values()))['sequences'])
    each = sequences if len(sequences) < 6 else []
    head = ['method', *MEASURES, 'id switches', *each, 's per frame', 'peak memory, MiB']
    yield '| ' + ' | '.join(head) + ' |'
    yield '|---' * len(head) + '|'
    for name, record in records.items():
        entries = record['sequences']
        frames = sum(entry['frames'] for entry in entries.values())
        seconds = sum(e['seconds_per_frame'] * e['frames'] for e in entries.values()) / frames
        memory = max(entry['memory'] for entry in entries.values()) / 2**20
        values = [f'{100 * record["mean"][measure]:.1f}' for measure in MEASURES]
        values.append(str(sum(entry['switches'] for entry in entries.values())))
        values += [f'{100 * entries[s]["J&F"]:.1f}' if s in entries else '' for s in each]
        yield '| ' + ' | '.join([f'`{name}`', *values, f'{seconds:.3f}', f'{memory:.0f}']) + ' |'


if __name__ == '__main__':
    main()
