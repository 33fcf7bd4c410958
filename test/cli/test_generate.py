"""`drift generate` from the command line."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from command import drift
from numpy.typing import NDArray

from drift_ros.features.dit.untrained import write_untrained


def pictures(path: Path) -> NDArray[np.uint8]:
    with av.open(str(path)) as file:
        return np.stack([frame.to_ndarray(format='rgb24') for frame in file.decode(video=0)])


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp('cogvideo')
    write_untrained('cogvideox-2b', place)
    return place


SMALL = ('--device', 'cpu', '--steps', 2)
COG = (*SMALL, '--size', '16x32', '--frames', 9, '--cag-layers', '3,7')
EMBEDDED = (*SMALL, '--model', 'embedded', '--size', '32x48', '--frames', 3)


def test_cogvideo_by_a_prompt(folder: Path, tmp_path: Path) -> None:
    found = {}
    for name, words, options in (
        ('plain', 'a ball', ()),
        ('other', 'two dogs', ()),
        ('zero', 'a ball', ('--guidance', 'cag', '--cag-scale', 0)),
        ('cag', 'a ball', ('--guidance', 'cag')),
    ):
        out = tmp_path / f'{name}.mp4'
        model = ('--checkpoint', folder, '--prompt', words)
        code, said = drift('generate', *model, '--out', out, *COG, *options)
        assert code == 0, said
        found[name] = pictures(out)
    assert found['plain'].shape == (9, 16, 32, 3)
    assert (found['zero'] == found['plain']).all()
    assert (found['cag'] != found['plain']).any()
    assert (found['other'] != found['plain']).any()


def test_the_embedded_model(tmp_path: Path) -> None:
    for name, options in (('plain', ()), ('cag', ('--guidance', 'cag'))):
        code, said = drift('generate', '--out', tmp_path / f'{name}.mp4', *EMBEDDED, *options)
        assert code == 0, said
    plain, guided = (pictures(tmp_path / f'{name}.mp4') for name in ('plain', 'cag'))
    assert plain.shape == (3, 32, 48, 3)
    assert (plain != guided).any()


@pytest.mark.parametrize(
    ('options', 'named'),
    [
        (('--model', 'svd'), '--model'),
        (('--guidance', 'stg'), '--guidance'),
        ((), '--prompt'),
        (('--prompt', 'a', '--size', '30x48'), '--size'),
        (('--prompt', 'a', '--size', 'wide'), '--size'),
        (('--prompt', 'a', '--frames', 6), '--frames'),
        (('--prompt', 'a', '--cag-layers', '3;4'), '--cag-layers'),
        (('--prompt', 'a', '--guidance', 'cag', '--cag-layers', '99'), '99'),
        (('--prompt', 'a', '--model', 'embedded'), '--prompt'),
        (('--model', 'embedded', '--guidance', 'cag', '--cag-layers', '99'), '99'),
        (('--prompt', 'a', '--checkpoint', '/nowhere'), '/nowhere'),
        (('--model', 'embedded', '--checkpoint', '/nowhere'), '/nowhere'),
    ],
)
def test_says_what_does_not_fit(
    folder: Path, tmp_path: Path, options: tuple[object, ...], named: str
) -> None:
    given = ('--checkpoint', folder) if 'embedded' not in options else ()
    small = ('--device', 'cpu', '--steps', 1, '--size', '32x48', '--frames', 1)
    code, said = drift('generate', '--out', tmp_path / 'a.mp4', *given, *small, *options)
    assert code == 2 and named in said, said
    assert not list(tmp_path.iterdir())
