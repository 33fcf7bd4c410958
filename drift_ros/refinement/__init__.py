"""Better outlines for the masks that propagation gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drift_ros.errors import CheckpointError
from drift_ros.prompts import create_segmenter
from drift_ros.prompts.prompt import Segmenter
from drift_ros.refinement.base import Refiner
from drift_ros.settings import PromptSettings, RefinementSettings

if TYPE_CHECKING:
    import torch

__all__ = ['Refiner', 'create_refiner']


def create_refiner(
    settings: RefinementSettings, device: torch.device, segmenter: Segmenter | None = None
) -> Refiner | None:
    """The refiner that the settings name, or None.

    Args:
        settings: which one.
        device: where it runs.
        segmenter: of the prompts; `sam` takes it too where no other checkpoint is named.

    Raises:
        CheckpointError: `sam` finds no weights, or they are unusable.
    """
    if settings.backend == 'none':
        return None
    if settings.backend == 'grabcut':
        from drift_ros.refinement.grabcut import GrabCutRefiner

        return GrabCutRefiner(settings)
    from drift_ros.refinement.sam import SamRefiner, proposes

    if settings.checkpoint:
        chosen = PromptSettings(backend='auto', checkpoint=settings.checkpoint)
        segmenter = create_segmenter(chosen, device)
    if segmenter is None or not proposes(segmenter):
        raise CheckpointError(
            "refinement.backend 'sam' needs weights: set refinement.checkpoint (or "
            'prompts.checkpoint) to a folder with SAM or SAM 2, or to a .pth file of Segment '
            "Anything; 'grabcut' needs none"
        )
    return SamRefiner(segmenter, settings)
