"""From a setting to a folder with weights: a local one, the hub's cache, or a download."""

from __future__ import annotations

import errno
import logging
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import torch

from drift_ros.errors import CheckpointError
from drift_ros.features.checkpoints.files import STEMS, file_names, preference, weight_files

log = logging.getLogger(__name__)

HUB_ID = re.compile(r'[A-Za-z0-9][\w.-]*/[\w.-]+')
TEXT_FILES = ('.json', '.txt', '.model')
WITHOUT_WEIGHTS = ('scheduler', 'tokenizer', 'feature_extractor')
GIGABYTE = 1e9


def locate(
    checkpoint: str,
    default: str,
    setting: str,
    parts: Sequence[str],
    *,
    dtype: torch.dtype = torch.float32,
) -> Path:
    """The folder that a setting names; what is not on this machine is downloaded from the hub.

    An id that is in the hub's cache with all its parts is used from there without asking the
    network. A download takes only the parts that are asked for, in one format each: safetensors
    before pickles, half precision where that is enough and published.

    Args:
        checkpoint: what the user set: a folder, a hub id `owner/name`, or empty for `default`.
        default: hub id of the published model; empty if there is none.
        setting: name of the setting, for messages.
        parts: subfolders that are needed, such as `unet`; `.` for the folder itself.
        dtype: number format that the weights will have.

    Raises:
        CheckpointError: there is no such folder or id, the model is gated, the hub cannot be
            reached, or the disk is full.
    """
    name = checkpoint or default
    if not name:
        raise CheckpointError(
            f'{setting} is empty and this model has no published weights that could be taken: set '
            'it to a folder or a hub id'
        )
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    if path.exists():
        raise CheckpointError(
            f'{setting} is {name!r}, which is a file: expected a folder with {_list(parts)} in it'
        )
    if not HUB_ID.fullmatch(name):
        raise CheckpointError(
            f'{setting} is {name!r}: there is no such folder on this machine, and it is not a hub '
            'id of the form owner/name'
        )
    return _cached(name, parts, dtype) or _download(name, setting, parts, dtype)


def _cached(name: str, parts: Sequence[str], dtype: torch.dtype) -> Path | None:
    """Snapshot in the hub's cache if all parts are there."""
    import huggingface_hub
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        found = huggingface_hub.snapshot_download(
            name, local_files_only=True, allow_patterns=[_inside(p, '*config.json') for p in parts]
        )
    except LocalEntryNotFoundError:
        return None
    folder = Path(found)
    try:
        for part in parts:
            if not any((folder / part).glob('*.json')):
                return None
            if part not in WITHOUT_WEIGHTS:
                weight_files(folder / part, dtype)
    except CheckpointError as error:
        log.warning('the cached %s is incomplete, asking the hub: %s', name, error)
        return None
    return folder


def _download(name: str, setting: str, parts: Sequence[str], dtype: torch.dtype) -> Path:
    import huggingface_hub
    from huggingface_hub import constants
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError

    cache = Path(constants.HF_HUB_CACHE)
    where = (
        f'{setting} is {name!r}, which is neither a folder here nor complete in the cache {cache}'
    )
    try:
        siblings = huggingface_hub.HfApi().model_info(name, files_metadata=True).siblings or []
        sizes = {entry.rfilename: entry.size or 0 for entry in siblings}
        files = _choose(sizes, parts, dtype)
        total = sum(sizes[file] for file in files)
        _require_space(cache, total, name)
        log.info('downloading %s to %s: %.2f GB', name, cache, total / GIGABYTE)
        return Path(huggingface_hub.snapshot_download(name, allow_patterns=files))
    except CheckpointError:
        raise
    except GatedRepoError as error:
        raise CheckpointError(
            f'{where}; on the hub it is gated: accept its licence at '
            f'https://huggingface.co/{name}, then run `hf auth login`'
        ) from error
    except RepositoryNotFoundError as error:
        raise CheckpointError(
            f'{where}; nor does the hub have it: check the spelling, or `hf auth login` if it is '
            'private'
        ) from error
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise CheckpointError(f'the disk is full: {cache} cannot take {name}') from error
        cause = 'the hub refused' if isinstance(error, HfHubHTTPError) else 'no hub was reached'
        raise CheckpointError(
            f'{where}; {cause} ({type(error).__name__}: {error}): connect this machine once and '
            f'run `hf download {name}`, or copy the folder here and set {setting} to its path'
        ) from error


def _choose(sizes: dict[str, int], parts: Sequence[str], dtype: torch.dtype) -> list[str]:
    """Files of a repository that the parts need."""
    files = []
    for part in parts:
        inside = [f for f in sizes if _part_of(f) == part]
        files += [f for f in inside if f.endswith(TEXT_FILES) and 'index' not in f]
        for safetensors, variant in preference(dtype):
            chosen = [
                file
                for stem in STEMS
                for file in _of_kind(inside, part, stem, safetensors, variant)
            ]
            if chosen:
                files += chosen
                break
    return sorted(set(files))


def _of_kind(
    files: list[str], part: str, stem: str, safetensors: bool, variant: str | None
) -> list[str]:
    single, index = (_inside(part, n) for n in file_names(stem, safetensors, variant))
    if single in files:
        return [single]
    if index not in files:
        return []
    suffix = 'safetensors' if safetensors else 'bin'
    shard = re.compile(rf'{re.escape(_inside(part, stem))}\b.*-of-.*\.{suffix}')
    return [index] + [f for f in files if shard.fullmatch(f) and ('fp16' in f) == bool(variant)]


def _require_space(cache: Path, total: int, name: str) -> None:
    place = next(p for p in (cache, *cache.parents) if p.exists())
    free = shutil.disk_usage(place).free
    if free < total:
        raise CheckpointError(
            f'{name} takes {total / GIGABYTE:.1f} GB and {place} has {free / GIGABYTE:.1f} GB '
            'free: make room, or set HF_HOME to another disk'
        )


def _part_of(file: str) -> str:
    return str(Path(file).parent)


def _inside(part: str, file: str) -> str:
    return file if part == '.' else f'{part}/{file}'


def _list(parts: Sequence[str]) -> str:
    return ', '.join(f'{part}/' for part in parts if part != '.') or 'config.json and weights'
