"""What was fitted, kept in a file, so that a known object need not be fitted again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from drift_ros.errors import CheckpointError, OutputError

KIND = 'drift_ros adaptation'
Heads = Sequence[tuple[str, int]]


def save(path: Path, weights: Tensor, extractor: str, heads: Heads) -> None:
    """Write weights of heads.

    Args:
        path: file, by custom with the suffix .safetensors.
        weights: (heads,).
        extractor: name of what was adapted, with its model.
        heads: layer and head of each.

    Raises:
        OutputError: the file cannot be written.
    """
    metadata = {'kind': KIND, 'extractor': extractor, 'heads': json.dumps([list(h) for h in heads])}
    try:
        save_file({'heads': weights.detach().float().cpu().contiguous()}, path, metadata)
    except (OSError, SafetensorError) as error:
        raise OutputError(f'cannot write the adaptation to {path}: {error}') from None


def load(path: Path, extractor: str, heads: Heads) -> Tensor:
    """Read weights of heads that were fitted to the same model.

    Returns:
        (heads,) float32 on the CPU.

    Raises:
        CheckpointError: the file is missing, damaged, or of another model.
    """
    try:
        with safe_open(path, 'pt') as file:
            metadata = file.metadata() or {}
            if metadata.get('kind') != KIND:
                raise CheckpointError(
                    f'{path} is no adaptation: expected a file that `drift adapt` wrote'
                )
            weights: Tensor = file.get_tensor('heads')
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f'cannot read the adaptation {path}: {error}; make it by `drift adapt`'
        ) from None
    own = json.dumps([list(head) for head in heads])
    fitted = metadata.get('extractor')
    if (fitted, metadata.get('heads')) != (extractor, own) or weights.shape != (len(heads),):
        raise CheckpointError(
            f'the adaptation {path} was fitted to {len(weights)} heads of {fitted}, '
            f'which are not the {len(heads)} of {extractor}: adapt this model by `drift adapt`, or '
            'take the settings that the file was made with'
        )
    return weights
