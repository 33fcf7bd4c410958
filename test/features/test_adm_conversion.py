"""The converted ADM is the original one."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import DDPMPipeline, UNet2DModel
from original_adm import SMALL, OriginalAdm, original_adm
from torch import Tensor

from drift_ros.errors import CheckpointError
from drift_ros.features.checkpoints import load_alphas_cumprod
from drift_ros.features.image import adm_conversion, adm_files
from drift_ros.features.image.adm import truncate_at
from drift_ros.features.image.adm_conversion import CONFIG, SCHEDULE, convert, convert_state

SMALL_CONFIG = CONFIG | SMALL
# Channels and stride of the 18 decoder blocks of the published model.
PUBLISHED = [
    *[(1024, 32)] * 2,
    *[(1024, 16)] * 3,
    (1024, 8),
    *[(512, 8)] * 2,
    *[(512, 4)] * 3,
    (512, 2),
    *[(256, 2)] * 2,
    *[(256, 1)] * 4,
]


@pytest.fixture(scope='module')
def original() -> OriginalAdm:
    return original_adm()


@pytest.fixture
def checkpoint(original: OriginalAdm, tmp_path: Path) -> Path:
    path = tmp_path / adm_files.NAME
    torch.save(original.state_dict(), path)
    return path


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Conversion on first use expects the small architecture, and has a cache of its own."""
    monkeypatch.setattr(adm_conversion, 'CONFIG', SMALL_CONFIG)
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))


def small_unet() -> UNet2DModel:
    return UNet2DModel(**SMALL_CONFIG).eval().requires_grad_(False)


def test_prediction_and_all_decoder_blocks_are_equal(original: OriginalAdm) -> None:
    image = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    expected, features = original(image, 51)
    converted = convert_state(original.state_dict(), small_unet())
    whole = small_unet()
    whole.load_state_dict(converted)
    torch.testing.assert_close(whole(image, 51).sample, expected, atol=1e-4, rtol=1e-4)
    assert len(features) == 18
    for block, feature in enumerate(features):
        unet = small_unet()
        unet.load_state_dict(converted)
        truncate_at(unet, block)
        found = unet(image, 51).sample
        assert found.shape == feature.shape
        torch.testing.assert_close(found, feature, atol=1e-4, rtol=1e-4)
        assert float(feature.std()) > 0.1


def test_heads_are_told_apart(original: OriginalAdm) -> None:
    """Cut in three at once, as newer models would have it, the weights mean something else."""
    state = original.state_dict()
    converted = convert_state(state, small_unet())
    query = converted['mid_block.attentions.0.to_q.weight']
    packed = state['middle_block.1.qkv.weight'].squeeze(-1)
    torch.testing.assert_close(query[:16], packed[:16])
    torch.testing.assert_close(query[16:32], packed[48:64])


def test_published_size_on_the_meta_device() -> None:
    with torch.device('meta'):
        unet = UNet2DModel(**CONFIG)
        state = OriginalAdm((256, 256, 512, 512, 1024, 1024), 32, 64).state_dict()
        assert sum(p.numel() for p in unet.parameters()) == 552_814_086
        assert {k: v.shape for k, v in convert_state(state, unet).items()} == {
            k: v.shape for k, v in unet.state_dict().items()
        }
        image = torch.empty(1, 3, 480, 832)
        for block in (17, 13, 11, 8, 7, 5, 4, 2, 1):  # each cut is inside the last
            truncate_at(unet, block)
            with torch.no_grad():
                shape = tuple(unet(image, torch.tensor(51)).sample.shape)
            channels, stride = PUBLISHED[block]
            assert shape == (1, channels, 480 // stride, 832 // stride)


def test_a_folder_describes_itself(checkpoint: Path, tmp_path: Path) -> None:
    steps: list[tuple[str, int, int]] = []
    out = tmp_path / 'some' / 'adm'
    convert(checkpoint, out, config=SMALL_CONFIG, progress=lambda *step: steps.append(step))
    pipeline = DDPMPipeline.from_pretrained(out)
    assert {k: v for k, v in pipeline.unet.config.items() if k in SMALL} == {
        k: list(v) if isinstance(v, tuple) else v for k, v in SMALL.items()
    }
    betas = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
    expected = (1 - betas).cumprod(0).float()
    torch.testing.assert_close(load_alphas_cumprod(out), expected, atol=1e-6, rtol=1e-4)
    assert pipeline.scheduler.config.variance_type == SCHEDULE['variance_type']
    assert [done for _, done, _ in steps] == [0, 1, 2, 3]
    assert {p.name for p in out.parent.iterdir()} == {'adm'}


def test_conversion_takes_the_place_of_an_older_one(
    checkpoint: Path, original: OriginalAdm, tmp_path: Path
) -> None:
    out = tmp_path / 'adm'
    convert(checkpoint, out, config=SMALL_CONFIG)
    (out / 'old').touch()
    torch.save({k: v + 1 for k, v in original.state_dict().items()}, checkpoint)
    convert(checkpoint, out, config=SMALL_CONFIG)
    bias = UNet2DModel.from_pretrained(out / 'unet').conv_in.bias
    torch.testing.assert_close(bias.data, original.state_dict()['input_blocks.0.0.bias'] + 1)
    assert not (out / 'old').exists()


@pytest.mark.parametrize('error', [KeyboardInterrupt(), OSError(28, 'No space left on device')])
def test_interrupted_conversion_leaves_what_was_there(
    error: BaseException, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_self: Any, folder: Path) -> None:
        (folder / 'unet').mkdir(parents=True)
        raise error

    out = tmp_path / 'place' / 'adm'
    monkeypatch.setattr(DDPMPipeline, 'save_pretrained', fail)
    with pytest.raises((KeyboardInterrupt, CheckpointError)) as raised:
        convert(checkpoint, out, config=SMALL_CONFIG)
    assert isinstance(raised.value, KeyboardInterrupt) or 'No space left' in str(raised.value)
    assert list(out.parent.iterdir()) == []


def test_a_full_disk_is_said_before_writing(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, 'disk_usage', lambda _: usage._replace(free=1000))
    with pytest.raises(CheckpointError, match=r'GB left.*--out'):
        convert(checkpoint, tmp_path / 'adm', config=SMALL_CONFIG)


def _class_conditional(state: dict[str, Tensor]) -> None:
    state['label_emb.weight'] = torch.zeros(1000, 64)


def _encoder_only(state: dict[str, Tensor]) -> None:
    for name in [n for n in state if n.startswith('output_blocks')]:
        del state[name]


def _upsampler(state: dict[str, Tensor]) -> None:
    state['input_blocks.0.0.weight'] = torch.zeros(16, 6, 3, 3)


def _other_heads(state: dict[str, Tensor]) -> None:
    state['middle_block.1.qkv.bias'] = torch.zeros(3 * 40)


def _more_blocks(state: dict[str, Tensor]) -> None:
    state['input_blocks.18.0.in_layers.0.weight'] = torch.zeros(1)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (_class_conditional, 'class-conditional'),
        (_encoder_only, r'\d+ of \d+ weights are missing .*another architecture'),
        (_upsampler, r'conv_in.weight has shape \(16, 6, 3, 3\), expected \(16, 3, 3, 3\)'),
        (_other_heads, '120 rows'),
        (_more_blocks, '1 are unknown'),
    ],
)
def test_other_models_are_refused(
    change: Callable[[dict[str, Tensor]], None],
    message: str,
    original: OriginalAdm,
    checkpoint: Path,
    tmp_path: Path,
) -> None:
    state = original.state_dict()
    change(state)
    torch.save(state, checkpoint)
    with pytest.raises(CheckpointError, match=message):
        convert(checkpoint, tmp_path / 'adm', config=SMALL_CONFIG)
    assert not (tmp_path / 'adm').exists()


@pytest.mark.parametrize('content', ['truncated', 'text', 'empty', 'object', 'list', 'nested'])
def test_files_that_are_no_state_dict_are_refused(
    content: str, checkpoint: Path, tmp_path: Path
) -> None:
    if content == 'truncated':
        checkpoint.write_bytes(checkpoint.read_bytes()[:-2000])
    elif content == 'text':
        checkpoint.write_text('<html>404</html>')
    elif content == 'empty':
        checkpoint.write_bytes(b'')
    else:
        things = {'object': Path('x'), 'list': [1], 'nested': {'model': {'a': torch.zeros(1)}}}
        torch.save(things[content], checkpoint)
    with pytest.raises(CheckpointError, match=str(checkpoint)):
        convert(checkpoint, tmp_path / 'adm', config=SMALL_CONFIG)


@pytest.mark.usefixtures('small')
def test_first_use_converts_beside_the_file_and_is_reused(checkpoint: Path) -> None:
    folder = adm_files.converted(checkpoint)
    assert folder == checkpoint.with_suffix('')
    written = (folder / 'unet' / 'config.json').stat().st_mtime_ns
    assert adm_files.converted(checkpoint) == folder
    assert (folder / 'unet' / 'config.json').stat().st_mtime_ns == written
    later = written / 1e9 + 100
    os.utime(checkpoint, (later, later))
    adm_files.converted(checkpoint)
    assert (folder / 'unet' / 'config.json').stat().st_mtime_ns > written


@pytest.mark.usefixtures('small')
def test_a_folder_with_files_missing_is_not_used(checkpoint: Path) -> None:
    folder = adm_files.converted(checkpoint)
    (folder / 'unet' / 'config.json').unlink()
    again = adm_files.converted(checkpoint)
    assert again != folder and (again / 'unet' / 'config.json').is_file()


@pytest.mark.usefixtures('small')
def test_a_folder_that_cannot_be_written_sends_it_to_the_cache(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, 'access', lambda path, mode: Path(path) != checkpoint.parent)
    folder = adm_files.converted(checkpoint)
    assert folder.parent == tmp_path / 'cache' / 'drift_ros' / 'adm'
    assert adm_files.converted(checkpoint) == folder
    assert not checkpoint.with_suffix('').exists()


@pytest.mark.usefixtures('small')
def test_a_folder_of_someone_else_is_left_alone(checkpoint: Path, tmp_path: Path) -> None:
    theirs = checkpoint.with_suffix('')
    theirs.mkdir()
    (theirs / 'notes.txt').touch()
    assert adm_files.converted(checkpoint).is_relative_to(tmp_path / 'cache')
    assert [p.name for p in theirs.iterdir()] == ['notes.txt']


@pytest.mark.usefixtures('small')
def test_the_published_file_is_fetched_once(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[str] = []

    def fetch(url: str, place: str) -> None:
        fetched.append(url)
        shutil.copy(checkpoint, place)

    monkeypatch.setattr(torch.hub, 'download_url_to_file', fetch)
    folder = adm_files.published()
    assert adm_files.published() == folder
    (adm_files.cache() / adm_files.NAME).unlink()  # the converted folder is enough
    assert adm_files.published() == folder
    assert fetched == [adm_files.URL]
    assert json.loads((folder / 'model_index.json').read_text())['_class_name'] == 'DDPMPipeline'


@pytest.mark.usefixtures('small')
def test_without_a_network_the_file_and_its_place_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fetch(url: str, place: str) -> None:
        raise OSError('Name or service not known')

    monkeypatch.setattr(torch.hub, 'download_url_to_file', fetch)
    with pytest.raises(CheckpointError) as raised:
        adm_files.published()
    for part in (adm_files.URL, str(adm_files.cache()), 'Name or service', 'image.checkpoint'):
        assert part in str(raised.value)


@pytest.mark.usefixtures('small')
def test_a_download_that_broke_off_is_not_kept(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetch(url: str, place: str) -> None:
        Path(place).write_bytes(checkpoint.read_bytes()[:5000])

    monkeypatch.setattr(torch.hub, 'download_url_to_file', fetch)
    with pytest.raises(CheckpointError):
        adm_files.published()
    assert list(adm_files.cache().iterdir()) == []
