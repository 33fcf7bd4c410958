"""What was fitted, kept in a file, so that a known object need not be fitted again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from drift_ros.adaptation.fitting import Adaptation
from drift_ros.errors import CheckpointError
from drift_ros.runs.atomic import write_whole

KIND = 'drift_ros adaptation'
Heads = Sequence[tuple[str, int]]


def save(path: Path, found: Adaptation, extractor: str, heads: Heads) -> None:
    """Write what was fitted.

    Args:
        path: file, by custom with the suffix .safetensors.
        found: weights of heads, embeddings, or both.
        extractor: name of what was adapted, with its model.
        heads: layer and head of each.

    Raises:
        OutputError: the file cannot be written.
    """
    metadata = {'kind': KIND, 'extractor': extractor, 'heads': json.dumps([list(h) for h in heads])}
    parts = {'heads': found.heads, 'embeddings': found.embeddings}
    tensors = {
        name: part.detach().float().cpu().contiguous()
        for name, part in parts.items()
        if part is not None
    }

    def write(part: Path) -> None:
        try:
            save_file(tensors, part, metadata)
        except SafetensorError as error:
            raise OSError(error) from None

    write_whole(path, write)


def load(path: Path, extractor: str, heads: Heads, dim: int = 0) -> Adaptation:
    """Read what was fitted to the same model.

    Args:
        path: the file.
        extractor: name of what is to use it, with its model.
        heads: layer and head of each.
        dim: of the output of its text encoder; 0 where it takes no text.

    Returns:
        Tensors in float32 on the CPU.

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
            parts: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f'cannot read the adaptation {path}: {error}; make it by `drift adapt`'
        ) from None
    weights, embeddings = parts.get('heads'), parts.get('embeddings')
    own = json.dumps([list(head) for head in heads])
    fits = (metadata.get('extractor'), metadata.get('heads')) == (extractor, own)
    fits &= weights is None or weights.shape == (len(heads),)
    fits &= embeddings is None or (embeddings.ndim == 2 and embeddings.shape[1] == dim)
    if not fits or not parts:
        raise CheckpointError(
            f'the adaptation {path} was fitted to {metadata.get("extractor")} with heads '
            f'{metadata.get("heads")}, which are not those of {extractor}: adapt this model by '
            '`drift adapt`, or take the settings that the file was made with'
        )
    return Adaptation(weights, embeddings)
