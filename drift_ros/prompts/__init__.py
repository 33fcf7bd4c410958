"""Prompts: clicks, boxes and masks, and who turns them into the masks of targets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from drift_ros.errors import CheckpointError
from drift_ros.prompts.files import TimedPrompt, read_prompts
from drift_ros.prompts.prompt import Prompt, Segmenter
from drift_ros.prompts.validate import validate
from drift_ros.settings import PromptSettings

if TYPE_CHECKING:
    import torch

__all__ = ['Prompt', 'Segmenter', 'TimedPrompt', 'create_segmenter', 'read_prompts', 'validate']


def create_segmenter(settings: PromptSettings, device: torch.device) -> Segmenter:
    """The segmenter that the settings name, with its weights loaded onto a device.

    Backend `auto` goes by the checkpoint: none is GrabCut, a .pth file is `segment-anything`, a
    folder is `transformers`. GrabCut needs no checkpoint and ignores one.

    Raises:
        CheckpointError: the checkpoint or a library that it needs is missing, broken or of another
            kind than the backend takes.
    """
    backend = settings.backend if settings.backend != 'auto' else _backend(settings.checkpoint)
    if backend == 'grabcut':
        from drift_ros.prompts.grabcut import GrabCutSegmenter

        return GrabCutSegmenter()
    if not settings.checkpoint:
        raise CheckpointError(
            f'prompts.backend {backend!r} needs weights: set prompts.checkpoint to a '
            f'{"file" if backend == "segment-anything" else "folder"}, or the backend to grabcut'
        )
    if backend == 'segment-anything':
        from drift_ros.prompts import sam

        return sam.load(settings.checkpoint, device)
    from drift_ros.prompts import transformers_sam

    return transformers_sam.load(settings.checkpoint, device)


def _backend(checkpoint: str) -> str:
    if not checkpoint:
        return 'grabcut'
    path = Path(checkpoint).expanduser()
    if path.suffix in ('.pth', '.pt'):
        return 'segment-anything'
    if path.is_dir():
        return 'transformers'
    raise CheckpointError(
        f'prompts.checkpoint is {checkpoint!r}, which is neither a folder (SAM or SAM 2 for '
        f'transformers) nor a .pth file (Segment Anything); download one, or leave it empty for '
        f'GrabCut'
    )
