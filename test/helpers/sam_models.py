"""A small SAM 2 with random weights, of the classes that are published."""

from __future__ import annotations

import torch
import transformers

SIDE = 64
MEMORY, HIDDEN = 64, 128  # channels: what the class has written into its code, and more than that
DECODER = {
    'hidden_size': 16,
    'mlp_dim': 32,
    'num_hidden_layers': 1,
    'num_attention_heads': 2,
    'iou_head_hidden_dim': 16,
}


def sam2_parts(hidden=16):
    backbone = {
        'model_type': 'sam2_hiera_det_model',
        'hidden_size': 8,
        'image_size': [SIDE, SIDE],
        'blocks_per_stage': [1, 1, 2, 1],
        'embed_dim_per_stage': [8, 16, 32, 64],
        'num_attention_heads_per_stage': [1, 1, 2, 2],
        'window_size_per_stage': [8, 4, 4, 2],
        'global_attention_blocks': [3],
    }
    return {
        'vision_config': {
            'backbone_config': backbone,
            'backbone_channel_list': [64, 32, 16, 8],
            'backbone_feature_sizes': [[16, 16], [8, 8], [4, 4]],
            'fpn_hidden_size': hidden,
        },
        'prompt_encoder_config': {
            'hidden_size': hidden,
            'image_size': SIDE,
            'patch_size': 16,
            'mask_input_channels': 16,
        },
        'mask_decoder_config': DECODER | {'hidden_size': hidden},
    }


def make_sam2_video():
    """The class that SAM 2 folders are published as."""
    memory = {
        'image_size': SIDE,
        'memory_attention_hidden_size': HIDDEN,
        'memory_attention_num_layers': 1,
        'memory_attention_feed_forward_hidden_size': 16,
        'memory_attention_rope_feat_sizes': [4, 4],
        'memory_encoder_hidden_size': HIDDEN,
        'memory_encoder_output_channels': MEMORY,
        'mask_downsampler_embed_dim': HIDDEN,
        'memory_fuser_num_layers': 1,
        'memory_fuser_embed_dim': HIDDEN,
        'memory_fuser_intermediate_dim': 16,
    }
    return transformers.Sam2VideoModel(transformers.Sam2VideoConfig(**sam2_parts(HIDDEN), **memory))


def enlarge(model: torch.nn.Module) -> None:
    """Make weights larger than at the start of training, so that inputs matter."""
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.normal_(std=weight[0].numel() ** -0.5)
