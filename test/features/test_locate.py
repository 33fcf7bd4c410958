"""Model folders: found here, in the hub's cache, or on the hub. The network is never asked."""

from __future__ import annotations

import errno
import shutil
from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
import torch
from diffusers import AutoencoderKL, DDIMScheduler
from huggingface_hub import errors

from drift_ros.errors import CheckpointError
from drift_ros.features.checkpoints import locate

WEIGHTS = 'diffusion_pytorch_model.safetensors'
SETTING = 'features.video.checkpoint'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model folder that may be spoiled."""
    place = tmp_path / 'model'
    AutoencoderKL(block_out_channels=(8,), norm_num_groups=4).save_pretrained(place / 'vae')
    DDIMScheduler().save_pretrained(place / 'scheduler')
    return place


class Hub:
    """Stands for the hub and its cache on this machine."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, source: Path, cache: Path) -> None:
        self.source = source
        self.cached: Path | None = None
        self.error: Exception | None = None
        self.downloads: list[list[str]] = []
        self.cache = cache
        monkeypatch.setattr(huggingface_hub, 'snapshot_download', self.snapshot_download)
        monkeypatch.setattr(huggingface_hub, 'HfApi', lambda: self)
        monkeypatch.setattr('huggingface_hub.constants.HF_HUB_CACHE', str(cache))

    def snapshot_download(
        self, name: str, allow_patterns: list[str], local_files_only: bool = False
    ) -> str:
        if local_files_only:
            if self.cached is None:
                raise errors.LocalEntryNotFoundError('not in the cache')
            return str(self.cached)
        if isinstance(self.error, errors.GatedRepoError):
            raise self.error
        self.downloads.append(allow_patterns)
        self.cached = self.source
        return str(self.source)

    def model_info(self, name: str, files_metadata: bool) -> SimpleNamespace:
        assert files_metadata
        if self.error is not None and not isinstance(self.error, errors.GatedRepoError):
            raise self.error
        files = [path for path in self.source.rglob('*') if path.is_file()]
        entries = [
            SimpleNamespace(rfilename=str(f.relative_to(self.source)), size=f.stat().st_size)
            for f in files
        ]
        return SimpleNamespace(siblings=entries)


@pytest.fixture
def hub(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    return Hub(monkeypatch, folder, tmp_path / 'cache')


def find(name: str, parts: tuple[str, ...] = ('vae', 'scheduler'), **options: Any) -> Path:
    return locate(name, 'owner/published', SETTING, parts, **options)


def refusal(kind: type[Exception]) -> Exception:
    """An error as the hub raises it; its constructors ask for the answer of a server."""
    error = kind.__new__(kind)
    error.args = ('403 Client Error',)
    return error


def test_a_folder_is_taken_as_it_is(folder: Path, hub: Hub) -> None:
    assert find(str(folder)) == folder
    assert not hub.downloads


def test_a_file_and_a_missing_folder_are_named(folder: Path, hub: Hub) -> None:
    with pytest.raises(CheckpointError, match=rf'{SETTING} is .*config\.json.*is a file.*vae/'):
        find(str(folder / 'vae' / 'config.json'))
    for name in (str(folder / 'nowhere'), 'nowhere', './a/b', 'a/b/c', '~/nowhere/at/all'):
        with pytest.raises(CheckpointError, match=rf'{SETTING} is .*no such folder.*owner/name'):
            find(name)
    with pytest.raises(CheckpointError, match=f'{SETTING} is empty'):
        locate('', '', SETTING, ['unet'])
    assert not hub.downloads


def test_a_cached_model_is_taken_without_asking(hub: Hub, folder: Path) -> None:
    hub.cached = folder
    hub.error = AssertionError('asked')
    assert find('') == folder
    assert find('owner/other') == folder


def test_an_incomplete_cache_is_completed(
    hub: Hub, folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hub.cached = Path(shutil.copytree(folder, tmp_path / 'partial'))
    (hub.cached / 'vae' / WEIGHTS).write_bytes(b'')
    assert find('') == folder
    assert 'incomplete' in caplog.text
    assert len(hub.downloads) == 1


def test_only_needed_files_are_downloaded(hub: Hub, folder: Path, caplog: Any) -> None:
    vae = folder / 'vae'
    for name in ('diffusion_pytorch_model.fp16.safetensors', 'diffusion_pytorch_model.bin'):
        shutil.copy(vae / WEIGHTS, vae / name)
    (folder / 'whole_model.safetensors').write_bytes(bytes(100))
    (vae / 'notes.md').write_text('no use')
    with caplog.at_level('INFO'):
        find('')
    assert hub.downloads == [
        ['scheduler/scheduler_config.json', 'vae/config.json', f'vae/{WEIGHTS}']
    ]
    assert 'downloading owner/published' in caplog.text and 'GB' in caplog.text
    hub.cached = None
    find('', dtype=torch.float16)
    assert 'vae/diffusion_pytorch_model.fp16.safetensors' in hub.downloads[1]
    assert f'vae/{WEIGHTS}' not in hub.downloads[1]


def test_shards_are_downloaded_with_their_index(hub: Hub, folder: Path) -> None:
    vae = folder / 'vae'
    names = [f'diffusion_pytorch_model-0000{i}-of-00002.safetensors' for i in (1, 2)]
    other = [name.replace('.safetensors', '.fp16.safetensors') for name in names]
    for name in names + other:
        shutil.copy(vae / WEIGHTS, vae / name)
    (vae / WEIGHTS).unlink()
    (vae / f'{WEIGHTS}.index.json').write_text('{}')
    (vae / 'diffusion_pytorch_model.safetensors.index.fp16.json').write_text('{}')
    find('', ('vae',))
    assert hub.downloads == [
        sorted(['vae/config.json', f'vae/{WEIGHTS}.index.json', *(f'vae/{n}' for n in names)])
    ]


def test_the_folder_itself_may_be_the_part(hub: Hub, folder: Path) -> None:
    hub.source = folder / 'vae'
    assert find('owner/tiny', ('.',)) == folder / 'vae'
    assert hub.downloads == [['config.json', WEIGHTS]]


@pytest.mark.parametrize(
    ('error', 'words'),
    [
        (refusal(errors.GatedRepoError), r'gated: accept its licence.*owner/published.*auth login'),
        (refusal(errors.RepositoryNotFoundError), r'nor does the hub have it: check the spelling'),
        (errors.OfflineModeIsEnabled('offline'), r'no hub was reached.*hf download'),
        (ConnectionError('no route to host'), r'no hub was reached.*no route to host'),
        (refusal(errors.HfHubHTTPError), r'the hub refused.*403'),
        (OSError(errno.ENOSPC, 'No space left on device'), r'the disk is full.*cache'),
    ],
)
def test_why_the_hub_gave_nothing_is_named(hub: Hub, error: Exception, words: str) -> None:
    hub.error = error
    with pytest.raises(CheckpointError, match=words) as raised:
        find('')
    if 'disk' not in words:
        assert f"{SETTING} is 'owner/published'" in str(raised.value)
        assert str(hub.cache) in str(raised.value)


def test_a_full_disk_is_said_before_downloading(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple('usage', 'total used free')
    monkeypatch.setattr(shutil, 'disk_usage', lambda _place: usage(10, 5, 5))
    with pytest.raises(CheckpointError, match=r'has 0\.0 GB free: make room, or set HF_HOME'):
        find('')
    assert not hub.downloads
