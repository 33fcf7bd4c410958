"""Which files of a folder hold the weights of a model, and whether they are all there."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from drift_ros.documents import DocumentError, parse_json, read_json
from drift_ros.errors import CheckpointError
from drift_ros.paths import is_name

STEMS = ('diffusion_pytorch_model', 'model', 'pytorch_model')  # diffusers, transformers (twice)
HALF = (torch.float16, torch.bfloat16)
AGAIN = 'delete it and download it again'
MAX_HEADER = 1 << 24  # bytes of the header of a safetensors file; large models have 1 << 20


@dataclass(frozen=True, slots=True)
class WeightFiles:
    """The weights of one model.

    Attributes:
        paths: the file, or its shards.
        variant: `fp16` if they are stored under that name, else None.
        safetensors: the format; otherwise pickled by torch.
    """

    paths: tuple[Path, ...]
    variant: str | None
    safetensors: bool

    def tensors(self) -> Iterator[tuple[str, int]]:
        """Name and number of elements of every tensor, without reading any; safetensors only."""
        for path in self.paths:
            for name, entry in _header(path)[0].items():
                if name != '__metadata__':
                    count = 1
                    for length in entry['shape']:
                        count *= length
                    yield name, count

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(path.stat().st_size for path in self.paths)


def preference(dtype: torch.dtype) -> list[tuple[bool, str | None]]:
    """(safetensors, variant) from the best to the last choice for a number format."""
    if dtype in HALF:
        return [(True, 'fp16'), (True, None), (False, 'fp16'), (False, None)]
    return [(True, None), (False, None), (True, 'fp16'), (False, 'fp16')]


def file_names(stem: str, safetensors: bool, variant: str | None) -> tuple[str, str]:
    """Names of the single file and of the index of shards."""
    suffix = 'safetensors' if safetensors else 'bin'
    dotted = f'.{variant}' if variant else ''
    return f'{stem}{dotted}.{suffix}', f'{stem}.{suffix}.index{dotted}.json'


def weight_files(place: Path, dtype: torch.dtype = torch.float32) -> WeightFiles:
    """The weights in a folder; those that suit the number format best if there are several.

    Raises:
        CheckpointError: there are none, shards are missing, or a file is empty, cut off, or only
            the pointer that git leaves of a large file.
    """
    for safetensors, variant in preference(dtype):
        for stem in STEMS:
            single, index = (place / name for name in file_names(stem, safetensors, variant))
            if single.is_file():
                found = WeightFiles((single,), variant, safetensors)
            elif index.is_file():
                found = WeightFiles(_shards(index), variant, safetensors)
            else:
                continue
            for path in found.paths:
                _check(path, safetensors)
            return found
    raise CheckpointError(
        f'{place} has no weights (expected for example {STEMS[0]}.safetensors): the download is '
        'incomplete, get this folder again'
    )


def _shards(index: Path) -> tuple[Path, ...]:
    try:
        names = sorted(set(read_json(index, MAX_HEADER, MAX_HEADER)['weight_map'].values()))
        paths = tuple(index.parent / name for name in names if is_name(name))
    except (DocumentError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f'{index} is not an index of shards ({type(error).__name__}: {error}): {AGAIN}'
        ) from None
    if len(paths) < len(names):
        raise CheckpointError(
            f'{index} is not an index of shards: it names files in other folders; {AGAIN}'
        )
    missing = [path.name for path in paths if not path.is_file()]
    if missing or not paths:
        raise CheckpointError(
            f'{index.parent} lacks {len(missing)} of {len(paths)} files that {index.name} names '
            f'({", ".join(missing[:3])}): the download is incomplete, get the missing files'
        )
    return paths


def _check(path: Path, safetensors: bool) -> None:
    size = path.stat().st_size
    if size == 0:
        raise CheckpointError(f'{path} is empty: the download was interrupted, {AGAIN}')
    with path.open('rb') as file:
        start = file.read(40)
    if start.startswith(b'version https://git-lfs'):
        raise CheckpointError(
            f'{path} is only a Git LFS pointer: run `git lfs pull` in that folder to get the '
            'weights'
        )
    if not safetensors:
        if start.startswith(b'PK') and not zipfile.is_zipfile(path):
            raise CheckpointError(
                f'{path} is cut off at {size} bytes: the download was interrupted, {AGAIN}'
            )
        return
    _, expected = _header(path)
    if size != expected:
        raise CheckpointError(
            f'{path} has {size} bytes, its header promises {expected}: the download was '
            f'interrupted, {AGAIN}'
        )


def _header(path: Path) -> tuple[dict[str, Any], int]:
    """Header of a safetensors file, and the size in bytes that the file should have."""
    size = path.stat().st_size
    try:
        with path.open('rb') as file:
            length = int.from_bytes(file.read(8), 'little')
            text = file.read(min(length, size, MAX_HEADER))
        if length > MAX_HEADER:
            raise ValueError(f'its header has {length} bytes, more than {MAX_HEADER}')
        if len(text) < length:
            raise CheckpointError(
                f'{path} is cut off at {size} bytes, inside its header: the download was '
                f'interrupted, {AGAIN}'
            )
        header = parse_json(text.decode(), MAX_HEADER)
        ends = [e['data_offsets'][1] for name, e in header.items() if name != '__metadata__']
        return header, 8 + length + max(ends, default=0)
    except (DocumentError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise CheckpointError(f'{path} is not a safetensors file ({error}): {AGAIN}') from None
