"""SAM and SAM 2 from folders in the layout of `transformers` (config.json and weights).

Pictures are brought to the model's size here, in torch, because the library's own processors for
these models need torchvision, which not every installation has.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from textwrap import shorten
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from drift_ros.documents import DocumentError, read_json
from drift_ros.errors import CheckpointError
from drift_ros.prompts.prompt import Prompt
from drift_ros.prompts.queries import Query, batches, is_given, queries

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, as both models were trained
MASK_LOGIT = 10.0  # what a given mask says, as the models' own confident masks do


class TransformersSam(ABC):
    """Segments with a promptable model of `transformers`.

    The image is embedded once per call, then all queries (see `queries`) are decoded from that,
    those of one kind together. A lone point is ambiguous: of the model's three answers the one with
    the best predicted IoU is taken; all else gets the model's single answer, as the models are
    meant to be used. A prompt that is a mask and nothing else is taken as it is, without the model.

    Attributes:
        name: name of the backend.
        device: where the model runs.
        dtype: number format of the weights: float16 on a GPU, float32 on the CPU.
    """

    name = 'transformers'

    def __init__(self, model: Any) -> None:
        self.model = model.eval()
        self.device: torch.device = model.device
        self.dtype: torch.dtype = model.dtype

    @torch.inference_mode()
    def segment(
        self, image: NDArray[np.uint8], prompts: Sequence[Prompt]
    ) -> list[NDArray[np.bool_]]:
        """Segment the prompted objects of one image (see `Segmenter`)."""
        height, width = image.shape[:2]
        masks = [np.zeros((height, width), bool) for _ in prompts]
        asked: list[tuple[int, Query]] = []
        for index, prompt in enumerate(prompts):
            if prompt.mask is not None and is_given(prompt):
                masks[index] |= prompt.mask
            else:
                asked += [(index, query) for query in queries(prompt, (height, width))]
        embedding = self._embed(image) if asked else None
        for places in batches([query for _, query in asked]):
            found = self._decode(embedding, [asked[p][1] for p in places], (height, width))
            for place, mask in zip(places, found[:, 0].cpu().numpy(), strict=True):
                masks[asked[place][0]] |= mask
        return masks

    @torch.inference_mode()
    def propose(
        self, image: NDArray[np.uint8], prompts: Sequence[Prompt]
    ) -> list[NDArray[np.bool_]]:
        """All answers of the model to each prompt, best first by its own prediction.

        Args:
            image: (H, W, 3) uint8 RGB.
            prompts: with one box each.

        Returns:
            (3, H, W) bool for each prompt.
        """
        size = (image.shape[0], image.shape[1])
        embedding = self._embed(image) if prompts else None
        asked = [query for prompt in prompts for query in queries(prompt, size)]
        answers: list[NDArray[np.bool_]] = [np.zeros((0, *size), bool) for _ in asked]
        for places in batches(asked):
            found = self._decode(embedding, [asked[p] for p in places], size, True).cpu().numpy()
            for place, candidates in zip(places, found, strict=True):
                answers[place] = candidates
        return answers

    def _embed(self, image: NDArray[np.uint8]) -> Any:
        # A copy, because frames may be read-only views of a message.
        pixels = torch.from_numpy(np.array(image)).to(self.device).permute(2, 0, 1)[None].float()
        mean = torch.tensor(MEAN, device=self.device).view(1, 3, 1, 1)
        std = torch.tensor(STD, device=self.device).view(1, 3, 1, 1)
        pixels = self._fit(pixels, antialias=True)
        pixels = self._pad((pixels / 255 - mean) / std)
        return self.model.get_image_embeddings(pixels.to(self.dtype))

    def _decode(
        self, embedding: Any, asked: Sequence[Query], size: tuple[int, int], several: bool = False
    ) -> Tensor:
        """Masks (n, m, H, W) bool that answer n queries of one kind (see `batches`), best first:
        all of the model's answers for `several`, else one.
        """
        height, width = size
        fitted_height, fitted_width = self._fitted(size)
        scale = np.array([fitted_width / width, fitted_height / height])

        def fit(coordinates: NDArray[np.float64]) -> NDArray[np.float64]:
            # Scaling is about the image's corner, half a pixel off the origin; the model adds that
            # half pixel itself. Coordinates stay float32: float16 would round them to half pixels.
            return (coordinates + 0.5) * scale - 0.5

        first = asked[0]
        inputs: dict[str, Tensor] = {}
        if len(first.points):
            inputs['input_points'] = self._tensor(fit(np.stack([q.points for q in asked])))[None]
            labels = np.stack([q.labels for q in asked]).astype(np.int64)
            inputs['input_labels'] = torch.from_numpy(labels).to(self.device)[None]
        if first.box is not None:
            corners = fit(np.stack([q.corners.reshape(2, 2) for q in asked]))
            inputs['input_boxes'] = self._tensor(corners).reshape(1, -1, 4)
        if first.mask is not None:
            mask = torch.from_numpy(first.mask).to(self.device)[None, None].float()
            logits = (2 * self._fit(mask, antialias=True) - 1) * MASK_LOGIT
            logits = self._pad(logits, -MASK_LOGIT)
            size_in = self._mask_input_size()
            logits = F.interpolate(logits, size_in, mode='bilinear', antialias=True)
            inputs['input_masks'] = logits.to(self.dtype)
        output = self.model(
            image_embeddings=embedding, multimask_output=several or first.ambiguous, **inputs
        )
        best = output.iou_scores[0].argsort(1, descending=True)[:, : None if several else 1]
        rows = torch.arange(len(asked), device=self.device)[:, None]
        return self._unfit(output.pred_masks[0, rows, best].float(), size) > 0

    def _tensor(self, values: NDArray[np.float64]) -> Tensor:
        return torch.from_numpy(values.astype(np.float32)).to(self.device)

    def _mask_input_size(self) -> tuple[int, int]:
        # The mask encoder halves twice on its way to the grid of the image embedding.
        config = self.model.config.prompt_encoder_config
        side = 4 * (config.image_size // config.patch_size)
        return side, side

    def _side(self) -> int:
        """Side in px of the square that the model sees."""
        return int(self.model.config.prompt_encoder_config.image_size)

    @abstractmethod
    def _fitted(self, size: tuple[int, int]) -> tuple[int, int]:
        """(H, W) that an image of a size is scaled to."""

    def _fit(self, pixels: Tensor, antialias: bool) -> Tensor:
        """Scale (1, C, H, W) to the model's size."""
        size = self._fitted((pixels.shape[2], pixels.shape[3]))
        return F.interpolate(pixels, size, mode='bilinear', antialias=antialias)

    def _pad(self, pixels: Tensor, value: float = 0.0) -> Tensor:
        """Fill (1, C, h, w) up to the square that the model sees, to the right and below."""
        side = self._side()
        return F.pad(pixels, (0, side - pixels.shape[3], 0, side - pixels.shape[2]), value=value)

    def _unfit(self, logits: Tensor, size: tuple[int, int]) -> Tensor:
        """Logits (n, m, h, w) of the square -> (n, m, H, W) of the image."""
        side = self._side()
        height, width = self._fitted(size)
        square = F.interpolate(logits, (side, side), mode='bilinear')[..., :height, :width]
        return F.interpolate(square, size, mode='bilinear')


class Sam(TransformersSam):
    """SAM: keeps the aspect ratio, the long side fills the square and the rest is padding."""

    def _fitted(self, size: tuple[int, int]) -> tuple[int, int]:
        scale = self._side() / max(size)
        return max(1, int(size[0] * scale + 0.5)), max(1, int(size[1] * scale + 0.5))


class Sam2(TransformersSam):
    """SAM 2: stretches the image to the square."""

    def _fitted(self, size: tuple[int, int]) -> tuple[int, int]:
        return self._side(), self._side()


def load(
    folder: str | Path, device: torch.device, dtype: torch.dtype | None = None
) -> TransformersSam:
    """Load SAM or SAM 2 from a folder; nothing is downloaded.

    SAM 2 folders are published as video models (`sam2_video`); their image part is what is loaded.

    Args:
        folder: folder with config.json and weights.
        device: where the model runs.
        dtype: number format; None is float16 on a GPU and float32 on the CPU.

    Raises:
        CheckpointError: the folder is missing, incomplete, or holds another class of model.
    """
    folder = Path(folder).expanduser()
    kind = _model_type(folder)
    if dtype is None:
        dtype = torch.float16 if device.type == 'cuda' else torch.float32
    from transformers import Sam2Config, Sam2Model, SamModel

    model_class, segmenter = (SamModel, Sam) if kind == 'sam' else (Sam2Model, Sam2)
    options: dict[str, Any] = {}
    if kind == 'sam2_video':
        settings = read_json(folder / 'config.json')
        parts = {'vision_config', 'prompt_encoder_config', 'mask_decoder_config'} & set(settings)
        options['config'] = Sam2Config(**{part: settings[part] for part in parts})
    try:
        model, report = model_class.from_pretrained(
            folder, local_files_only=True, dtype=dtype, output_loading_info=True, **options
        )
    except Exception as error:  # the library and its readers raise many kinds
        raise CheckpointError(
            f'cannot load {kind!r} from {folder}: {shorten(str(error), 400)}; if the download '
            f'broke off, repeat it: config.json and all *.safetensors (or *.bin) files belong there'
        ) from error
    missing = sorted(report['missing_keys'])
    if missing or report['mismatched_keys']:
        raise CheckpointError(
            f'the weights in {folder} do not fill the {kind!r} model that its config.json '
            f'describes: {len(missing)} tensors are missing (such as {missing[:3]}), '
            f'{len(report["mismatched_keys"])} have another shape; download the folder again'
        )
    return segmenter(model.to(device))


def _model_type(folder: Path) -> str:
    config = folder / 'config.json'
    if not config.is_file():
        what = 'has no config.json' if folder.is_dir() else 'does not exist'
        raise CheckpointError(
            f'{folder} {what}; expected a folder with SAM or SAM 2 as published for transformers, '
            f'for example from `hf download facebook/sam2.1-hiera-tiny --local-dir {folder}`'
        )
    try:
        kind = read_json(config)['model_type']
    except (DocumentError, KeyError, TypeError) as error:
        raise CheckpointError(
            f'{config} names no model_type ({error!r}); download it again'
        ) from None
    if kind not in ('sam', 'sam2', 'sam2_video'):
        raise CheckpointError(
            f'{folder} holds a {kind!r} model; expected one that takes prompts: SAM (model_type '
            f"'sam') or SAM 2 ('sam2', 'sam2_video')"
        )
    return str(kind)
