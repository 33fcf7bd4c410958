"""`drift attention`, `drift adapt`, and tracking by attention from the command line."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import Result
from clips import SIZE, blue_mask, picture, red_mask
from PIL import Image
from typer.testing import CliRunner

from drift_ros.cli.main import make_app
from drift_ros.features.image.untrained_image_unets import write_untrained

SMALL = ('--device', 'cpu', '--set', 'features.resolution=64')
UNTRAINED = ('--set', 'features.image.checkpoint=untrained')


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    folder = tmp_path / 'frames'
    folder.mkdir()
    for index in range(3):
        cv2.imwrite(str(folder / f'{index}.png'), picture(index)[..., ::-1])
    return folder


@pytest.fixture
def annotation(tmp_path: Path) -> Path:
    values = np.zeros(SIZE, np.uint8)
    values[red_mask(0)], values[blue_mask(0)] = 1, 7
    Image.fromarray(values).save(tmp_path / 'first.png')
    return tmp_path / 'first.png'


def run(*arguments: object) -> Result:
    return CliRunner().invoke(make_app(), [str(each) for each in arguments])


def test_the_kernel_of_a_pixel_is_drawn(clip: Path, tmp_path: Path) -> None:
    out = tmp_path / 'kernel.png'
    result = run('attention', clip, '--point', '16,16', '--later', '1,2', '--out', out, *SMALL)
    assert result.exit_code == 0, result.output
    drawn = cv2.imread(str(out))
    assert drawn is not None and drawn.shape[1] > 3 * 320 and drawn.std() > 10


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (('--point', '999,2'), 'outside'),
        (('--point', '3'), '2 numbers'),
        (('--point', '3,3', '--features', 'patch'), 'reads features'),
        (('--point', '3,3', '--frame', '70'), 'frame 70'),
        (('--point', '3,3', '--out', '/nowhere/x.png'), 'cannot write'),
    ],
)
def test_what_cannot_be_drawn_is_said(
    clip: Path, tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    out = () if '--out' in options else ('--out', tmp_path / 'x.png')
    result = run('attention', clip, *out, *options, *SMALL)
    assert result.exit_code == 2
    assert message in result.output


@pytest.mark.parametrize('model', ['adm', 'sd-2.1'])
def test_tracks_by_the_attention_of_an_image_model(
    clip: Path, annotation: Path, tmp_path: Path, model: str
) -> None:
    out = tmp_path / 'out'
    result = run(
        'track', clip, '--prompts', annotation, '--out', out, '--no-overlay', '--no-bag',
        '--features', 'image-attention', *UNTRAINED, *SMALL,
        '--set', f'features.image.model={model}', '--set', 'adaptation.heads=fitted',
        '--set', 'features.noise=inversion', '--set', 'features.inversion_steps=2',
        '--set', 'refinement.backend=grabcut', '--set', 'adaptation.steps=3',
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert len(list((out / 'labels').iterdir())) == 3


def test_what_was_adapted_is_used_later(clip: Path, annotation: Path, tmp_path: Path) -> None:
    file = tmp_path / 'adapted.safetensors'
    inversion = ('--set', 'features.noise=inversion', '--set', 'features.inversion_steps=2')
    chosen = ('--config', 'embedded_drift', *inversion, *SMALL)  # no draw that goes by the stamp
    layers = ('--set', 'features.attention.layers=0,1')
    heads = ('--set', 'adaptation.heads=fitted')
    adapting = ('adapt', clip / '0.png', '--prompts', annotation, '--out', file)
    fitted = run(*adapting, *chosen, *layers, *heads)
    assert fitted.exit_code == 0, fitted.output
    assert '0.0 head 0' in fitted.output and file.is_file()
    tracking = (
        'track', clip, '--prompts', annotation, '--no-overlay', '--no-bag', *chosen,
        '--set', 'adaptation.heads=uniform', '--set', f'adaptation.file={file}',
    )  # fmt: skip
    used = run(*tracking, *layers, '--out', tmp_path / 'one')
    assert used.exit_code == 0, used.output
    fitting = run(
        *tracking, *layers, '--out', tmp_path / 'two', '--set', 'adaptation.heads=fitted',
        '--set', 'adaptation.file=',
    )  # fmt: skip
    assert fitting.exit_code == 0, fitting.output
    for one in (tmp_path / 'one' / 'labels').iterdir():
        assert one.read_bytes() == (tmp_path / 'two' / 'labels' / one.name).read_bytes()
    other = run(*tracking, '--out', tmp_path / 'three')
    assert other.exit_code == 2 and 'drift adapt' in other.output


def test_nothing_to_adapt_is_said(clip: Path, annotation: Path, tmp_path: Path) -> None:
    out = tmp_path / 'x'
    result = run('adapt', clip / '0.png', '--prompts', annotation, '--out', out,
                 '--set', 'adaptation.heads=uniform', *SMALL)  # fmt: skip
    assert result.exit_code == 2 and 'uniform' in result.output


def test_embeddings_are_saved_and_used(clip: Path, annotation: Path, tmp_path: Path) -> None:
    file, out = tmp_path / 'text.safetensors', tmp_path / 'out'
    folder = tmp_path / 'model'
    write_untrained('sd-2.1', folder)
    chosen = (
        '--features', 'image-attention', '--set', 'features.image.model=sd-2.1',
        '--set', f'features.image.checkpoint={folder}', *SMALL,
    )  # fmt: skip
    text = ('--set', 'adaptation.text.invert=true', '--set', 'adaptation.text.steps=2')
    plain = ('--config', 'drift_kernel')
    fitted = run(
        'adapt', clip / '0.png', '--prompts', annotation, '--out', file, *plain, *chosen, *text
    )
    assert fitted.exit_code == 0, fitted.output
    assert '2 embeddings of 32' in fitted.output
    use = ('--set', f'adaptation.file={file}')
    tracking = (
        'track',
        clip,
        '--prompts',
        annotation,
        '--no-overlay',
        '--no-bag',
        '--out',
        out,
        *plain,
    )
    used = run(*tracking, *chosen, *use)
    assert used.exit_code == 0, used.output
    other = run(*tracking, *chosen, *use, '--set', 'features.image.model=sd-1.5')
    assert other.exit_code == 2 and 'drift adapt' in other.output
