"""Takes the temporal layers out of a video UNet (TED's ablation R_v without temporal layers)."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

# Names of modules whose weights are then not needed.
TEMPORAL = (
    'transformer_in.',
    'temp_convs.',
    'temp_attentions.',
    'temporal_res_block.',
    'temporal_transformer_blocks.',
    'time_pos_embed.',
    'time_mixer.',
)


class _Pass(nn.Module):
    """Gives back what it is given first."""

    def forward(self, hidden_states: Tensor, *_args: Any, **_kwargs: Any) -> Tensor:
        return hidden_states


class _PassTuple(nn.Module):
    """The same, as a tuple."""

    def forward(self, hidden_states: Tensor, *_args: Any, **_kwargs: Any) -> tuple[Tensor]:
        return (hidden_states,)


class _SpatialOnly(nn.Module):
    """Stands for the blend of a spatial and a temporal branch."""

    def forward(self, x_spatial: Tensor, *_args: Any, **_kwargs: Any) -> Tensor:
        return x_spatial


def bypass_temporal(unet: Any) -> None:
    """Let a UNet pass each frame by itself, in place; the weights that are left out are dropped.

    Temporal convolutions and transformers become the identity. Where the two branches of a block
    are blended (Stable Video Diffusion), only the spatial one is left. The conditioning of
    all frames on the condition image stays, and so does I2VGen-XL's attention over the slots of its
    image latents, since nothing of the other frames is in them.

    Args:
        unet: `I2VGenXLUNet`, `UNet3DConditionModel` or `UNetSpatioTemporalConditionModel`.
    """
    from diffusers.models.resnet import AlphaBlender, TemporalConvLayer, TemporalResnetBlock
    from diffusers.models.transformers.transformer_temporal import (
        TransformerSpatioTemporalModel,
        TransformerTemporalModel,
    )

    for parent in list(unet.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, TransformerTemporalModel):
                setattr(parent, name, _PassTuple())
            elif isinstance(child, TemporalConvLayer | TemporalResnetBlock):
                setattr(parent, name, _Pass())
            elif isinstance(child, AlphaBlender):
                setattr(parent, name, _SpatialOnly())
        if isinstance(parent, TransformerSpatioTemporalModel):
            count = len(parent.temporal_transformer_blocks)
            parent.temporal_transformer_blocks = nn.ModuleList(_Pass() for _ in range(count))
            parent.time_pos_embed = _Pass()
