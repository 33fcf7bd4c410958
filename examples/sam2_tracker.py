"""SAM 2 as a tracker that `drift evaluate` can score, as an example of any tracker from elsewhere.

    cd examples
    drift evaluate DAVIS --layout davis --out sam2 --method sam2_tracker:Sam2Tracker

All that an evaluation asks for is `step(image, masks) -> labels`. Whatever is slow to make is made
once, and `reset` begins the next video. The model is `Sam2VideoModel` of `transformers`, fed frame
by frame; pictures are brought to its size here, because its own processor needs torchvision.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from transformers import Sam2VideoInferenceSession, Sam2VideoModel

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, as it was trained
KEPT = 2  # pictures that a session keeps; what it remembers of earlier ones are features


class Sam2Tracker:
    """Tracks masks through videos.

    Args:
        checkpoint: folder, or id on the Hugging Face hub.
        device: `auto` (a GPU if there is one), `cpu` or `cuda`.
    """

    def __init__(
        self, checkpoint: str = 'facebook/sam2.1-hiera-tiny', device: str = 'auto'
    ) -> None:
        if device == 'auto':
            device = 'cuda' if torch.cuda.is_available() else 'cpu'
        self._model = Sam2VideoModel.from_pretrained(checkpoint).to(device).eval()
        side = self._model.config.image_size
        self._size = (side, side) if isinstance(side, int) else tuple(side)
        self.reset()

    def reset(self) -> None:
        """Forget the last video, keep the model."""
        device = self._model.device
        self._session = Sam2VideoInferenceSession(
            inference_device=device,
            inference_state_device=device,
            video_storage_device=device,
            dtype=self._model.dtype,
        )
        self._index = -1

    @torch.inference_mode()
    def step(
        self, image: NDArray[np.uint8], masks: Mapping[int, NDArray[np.bool_]]
    ) -> NDArray[np.uint8]:
        """Track into the next frame.

        Args:
            image: (H, W, 3) uint8 RGB.
            masks: id -> (H, W) bool of the objects that are named on this frame: all of them on the
                first one, mostly none later.

        Returns:
            (H, W) uint8, value = id, 0 = background.
        """
        self._index += 1
        session, size = self._session, image.shape[:2]
        for id_, mask in masks.items():
            place = session.obj_id_to_idx(id_)
            session.add_mask_inputs(place, self._index, self._fit_mask(mask))
        session.obj_with_new_inputs = list(masks)
        if not session.get_obj_num():
            return np.zeros(size, np.uint8)
        output = self._model(session, frame_idx=self._index, frame=self._fit_image(image))
        session.processed_frames.pop(self._index - KEPT, None)
        logits = functional.interpolate(
            output.pred_masks.float(), size, mode='bilinear', align_corners=False
        )[:, 0]
        labels = self._strongest(logits, list(output.object_ids))
        for id_, mask in masks.items():
            labels[mask] = id_  # what was given stays as it was given
        return labels

    @staticmethod
    def _strongest(logits: Tensor, ids: list[int]) -> NDArray[np.uint8]:
        """Every pixel goes to its most certain object, if any claims it."""
        best, which = logits.max(0)
        names = torch.tensor(ids, dtype=torch.uint8, device=logits.device)
        labels: NDArray[np.uint8] = torch.where(best > 0, names[which], 0).cpu().numpy()
        return labels.astype(np.uint8)

    def _fit_image(self, image: NDArray[np.uint8]) -> Tensor:
        pixels = torch.from_numpy(np.array(image)).to(self._model.device).permute(2, 0, 1)[None]
        pixels = functional.interpolate(
            pixels.float(), self._size, mode='bilinear', align_corners=False, antialias=True
        )
        mean, std = (torch.tensor(v, device=pixels.device).view(1, 3, 1, 1) for v in (MEAN, STD))
        return ((pixels / 255 - mean) / std)[0]

    def _fit_mask(self, mask: NDArray[np.bool_]) -> Tensor:
        given = torch.from_numpy(np.array(mask, np.float32))[None, None]
        fitted = functional.interpolate(
            given, self._size, mode='bilinear', align_corners=False, antialias=True
        )
        return (fitted >= 0.5).float()
