"""Segment Anything from its original checkpoints (.pth), by the library `segment_anything`.

The library needs torchvision. Where that cannot be installed, use a folder for `transformers`.
This module has been run with the library's own code (version 1.0, ViT-B with random weights) and a
stand-in for what it takes from torchvision, in float32 on the CPU. The published weights and half
precision on a GPU have not been run.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import shorten
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from drift_ros.errors import CheckpointError
from drift_ros.prompts.prompt import Prompt
from drift_ros.prompts.queries import Query, batches, is_given, queries

# Width of the image encoder, by which checkpoints are recognised -> name in the library's registry.
ENCODERS = {768: 'vit_b', 1024: 'vit_l', 1280: 'vit_h'}
WIDTH_KEY = 'image_encoder.patch_embed.proj.weight'
MASK_LOGIT = 10.0  # what a given mask says, as the model's own confident masks do


class SegmentAnything:
    """Segments with SAM's own predictor.

    The image is embedded once per call, then all queries (see `queries`) are decoded from that,
    those of one kind together. A lone point is ambiguous: of the model's three answers the one with
    the best predicted IoU is taken; all else gets the model's single answer. A prompt that is a
    mask and nothing else is taken as it is, without the model. On a GPU the image encoder, which is
    nearly all of the work, runs in float16; the small decoder stays in float32, so that coordinates
    keep their precision.

    Attributes:
        name: name of the backend.
    """

    name = 'segment-anything'

    def __init__(self, predictor: Any) -> None:
        self.predictor = predictor

    def segment(
        self, image: NDArray[np.uint8], prompts: Sequence[Prompt]
    ) -> list[NDArray[np.bool_]]:
        """Segment the prompted objects of one image (see `Segmenter`)."""
        size = (image.shape[0], image.shape[1])
        masks = [np.zeros(size, bool) for _ in prompts]
        asked: list[tuple[int, Query]] = []
        for index, prompt in enumerate(prompts):
            if prompt.mask is not None and is_given(prompt):
                masks[index] |= prompt.mask
            else:
                asked += [(index, query) for query in queries(prompt, size)]
        if not asked:
            return masks
        self.predictor.set_image(np.ascontiguousarray(image))
        try:
            for places in batches([query for _, query in asked]):
                found = self._decode([asked[p][1] for p in places], size)
                for place, mask in zip(places, found[:, 0], strict=True):
                    masks[asked[place][0]] |= mask
        finally:
            self.predictor.reset_image()  # frees the embedding
        return masks

    def propose(
        self, image: NDArray[np.uint8], prompts: Sequence[Prompt]
    ) -> list[NDArray[np.bool_]]:
        """All answers of the model to each prompt (see `TransformersSam.propose`)."""
        size = (image.shape[0], image.shape[1])
        asked = [query for prompt in prompts for query in queries(prompt, size)]
        answers: list[NDArray[np.bool_]] = [np.zeros((0, *size), bool) for _ in asked]
        if not asked:
            return answers
        self.predictor.set_image(np.ascontiguousarray(image))
        try:
            for places in batches(asked):
                found = self._decode([asked[p] for p in places], size, True)
                for place, candidates in zip(places, found, strict=True):
                    answers[place] = candidates
        finally:
            self.predictor.reset_image()
        return answers

    def _decode(
        self, asked: Sequence[Query], size: tuple[int, int], several: bool = False
    ) -> NDArray[np.bool_]:
        """Masks (n, m, H, W) that answer n queries of one kind (see `batches`), best first: all of
        the model's answers for `several`, else one.
        """
        first = asked[0]
        fit, device = self.predictor.transform, self.predictor.device
        points = labels = boxes = mask = None
        if len(first.points):
            coords = fit.apply_coords(np.stack([q.points for q in asked]), size)
            points = torch.as_tensor(coords, dtype=torch.float, device=device)
            labels = torch.as_tensor(np.stack([q.labels for q in asked]), device=device).int()
        if first.box is not None:
            corners = fit.apply_boxes(np.stack([q.corners for q in asked]), size)
            boxes = torch.as_tensor(corners, dtype=torch.float, device=device)
        if first.mask is not None:
            mask = torch.as_tensor(self._logits(first.mask), device=device)[None]
            mask = mask.expand(len(asked), -1, -1, -1)
        found, scores, _ = self.predictor.predict_torch(
            points, labels, boxes, mask, multimask_output=several or first.ambiguous
        )
        best = scores.argsort(1, descending=True)[:, : None if several else 1]
        rows = torch.arange(len(asked), device=device)[:, None]
        chosen: NDArray[np.bool_] = found[rows, best].cpu().numpy()
        return chosen

    def _logits(self, mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        """A mask as the model's low resolution logits, (1, 256, 256) for published models."""
        encoder = self.predictor.model.prompt_encoder
        side = encoder.mask_input_size[0]
        height, width = mask.shape
        scale = side / max(height, width)
        size = max(1, int(width * scale + 0.5)), max(1, int(height * scale + 0.5))
        small = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        logits = np.full((1, side, side), -MASK_LOGIT, np.float32)
        logits[0, : size[1], : size[0]] = (2 * small - 1) * MASK_LOGIT
        return logits


def load(checkpoint: str | Path, device: torch.device) -> SegmentAnything:
    """Load an original checkpoint; which of the three models it is follows from its weights.

    Raises:
        CheckpointError: the library is missing, or the file is missing, broken or of another model.
    """
    checkpoint = Path(checkpoint).expanduser()
    if not checkpoint.is_file():
        raise CheckpointError(
            f'{checkpoint} is not a file; expected a Segment Anything checkpoint such as '
            f'sam_vit_b_01ec64.pth, see https://github.com/facebookresearch/segment-anything'
        )
    try:
        from segment_anything import SamPredictor, sam_model_registry
    except (ImportError, OSError, RuntimeError) as error:  # torchvision of another torch
        raise CheckpointError(
            f'{checkpoint} needs the library segment_anything, which cannot be imported ({error}); '
            f'`pip install segment-anything torchvision`, or use a SAM folder for transformers'
        ) from error
    weights = _weights(checkpoint)
    width = weights[WIDTH_KEY].shape[0] if WIDTH_KEY in weights else None
    if width not in ENCODERS:
        raise CheckpointError(
            f'{checkpoint} is not a Segment Anything checkpoint: {WIDTH_KEY} '
            f'{"is missing" if width is None else f"has width {width}"}; expected one of '
            f'{", ".join(ENCODERS.values())}'
        )
    model = sam_model_registry[ENCODERS[width]]()
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise CheckpointError(
            f'{checkpoint} does not fit the model {ENCODERS[width]}: {shorten(str(error), 400)}; '
            f'download it again'
        ) from None
    model.to(device).eval()
    if device.type == 'cuda':
        _run_in(model.image_encoder, torch.float16)
    return SegmentAnything(SamPredictor(model))


def _weights(checkpoint: Path) -> dict[str, Any]:
    try:
        weights = torch.load(checkpoint, map_location='cpu', weights_only=True)
    except Exception as error:  # broken files raise many kinds
        raise CheckpointError(
            f'cannot read {checkpoint}: {shorten(str(error), 400)}; the download may '
            f'have broken off, repeat it'
        ) from error
    return weights if isinstance(weights, dict) else {}


def _run_in(encoder: torch.nn.Module, dtype: torch.dtype) -> None:
    """Bring an image encoder to a number format, with float32 in and out."""
    encoder.to(dtype)
    encoder.register_forward_pre_hook(lambda _, inputs: (inputs[0].to(dtype),))
    encoder.register_forward_hook(lambda _, inputs, output: output.float())
