"""Cross-attention guidance on small CogVideoX models with random weights, saved as folders."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from drift_ros.errors import SettingsError
from drift_ros.features.dit.extractor import CogVideoExtractor
from drift_ros.features.dit.untrained import write_untrained
from drift_ros.generation.cogvideo import CAGPipeline, attend_within_frames

MODELS = ('cogvideox-2b', 'cogvideox-5b')
LAYERS = (3, 7)


@pytest.fixture(scope='module', params=MODELS)
def pipeline(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A pipeline saved by diffusers and loaded again."""
    import diffusers
    import transformers

    parts, whole = (tmp_path_factory.mktemp(name) for name in ('parts', 'whole'))
    write_untrained(request.param, parts)
    plain = diffusers.CogVideoXPipeline(
        tokenizer=transformers.AutoTokenizer.from_pretrained(parts / 'tokenizer'),
        text_encoder=transformers.T5EncoderModel.from_pretrained(parts / 'text_encoder'),
        vae=diffusers.AutoencoderKLCogVideoX.from_pretrained(parts / 'vae'),
        transformer=diffusers.CogVideoXTransformer3DModel.from_pretrained(parts / 'transformer'),
        scheduler=diffusers.CogVideoXDDIMScheduler.from_pretrained(parts / 'scheduler'),
    )
    plain.save_pretrained(whole)
    loaded = CAGPipeline.from_pretrained(whole)
    loaded.set_progress_bar_config(disable=True)
    return loaded


def arguments(pipeline: Any, prompts: int = 1, **values: object) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(2)
    text = torch.randn(2, prompts, 16, 32, generator=generator)
    return {
        'negative_prompt_embeds': text[0],
        'prompt_embeds': text[1],
        'latents': torch.randn(prompts, 3, 16, 4, 6, generator=generator),
        'height': 32,
        'width': 48,
        'num_frames': 9,
        'num_inference_steps': 2,
        'output_type': 'latent',
        **values,
    }


def stock(pipeline: Any, **values: object) -> Tensor:
    """What the pipeline of diffusers gives."""
    from diffusers import CogVideoXPipeline

    found: Tensor = CogVideoXPipeline.__call__(pipeline, **arguments(pipeline, **values)).frames
    return found


def test_scale_0_is_the_plain_pipeline_to_the_bit(pipeline: Any) -> None:
    assert torch.equal(pipeline(**arguments(pipeline), cag_scale=0).frames, stock(pipeline))


def test_nothing_is_left_of_guidance_afterwards(pipeline: Any) -> None:
    before = stock(pipeline)
    guided = pipeline(**arguments(pipeline), cag_layers=LAYERS).frames
    assert not torch.allclose(guided, before, atol=1e-4)
    assert torch.equal(stock(pipeline), before)


@pytest.mark.parametrize('guidance_scale', [1.0, 6.0])
@torch.no_grad()
def test_a_step_adds_what_the_cut_branch_lost(pipeline: Any, guidance_scale: float) -> None:
    """Against three passes of their own, the cut one with dense attention."""
    given = arguments(pipeline, num_inference_steps=1, guidance_scale=guidance_scale)
    guided = pipeline(**given, cag_scale=1.5, cag_layers=LAYERS).frames
    transformer, latents = pipeline.transformer, given['latents']
    time = pipeline.scheduler.timesteps[0]
    rotary = CogVideoExtractor._rotary(  # type: ignore[arg-type]
        type('Of', (), {'transformer': transformer, 'device': latents.device}), latents[0]
    )

    def run(text: Tensor) -> Tensor:
        found: Tensor = transformer(
            latents, text, time.expand(1), image_rotary_emb=rotary, return_dict=False
        )[0]
        return found

    free, prompted = run(given['negative_prompt_embeds']), run(given['prompt_embeds'])
    kept = [transformer.transformer_blocks[number].attn1.processor for number in LAYERS]
    for number in LAYERS:
        transformer.transformer_blocks[number].attn1.set_processor(Dense(frames=3))
    cut = run(given['prompt_embeds'])
    for number, processor in zip(LAYERS, kept, strict=True):
        transformer.transformer_blocks[number].attn1.set_processor(processor)
    mixed = free + guidance_scale * (prompted - free) if guidance_scale > 1 else prompted
    mixed = mixed + 1.5 * (prompted - cut)
    expected = pipeline.scheduler.step(mixed, time, latents, return_dict=False)[0]
    torch.testing.assert_close(guided, expected, atol=1e-4, rtol=1e-4)


class Dense:
    """Attention of CogVideoX with its weights laid out, those on other frames zeroed."""

    def __init__(self, frames: int) -> None:
        self.frames = frames

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        image_rotary_emb: Any = None,
    ) -> tuple[Tensor, Tensor]:
        from diffusers.models.embeddings import apply_rotary_emb

        words = encoder_hidden_states.shape[1]
        every = torch.cat([encoder_hidden_states, hidden_states], 1)
        query, key, value = (
            layer(every).unflatten(2, (attn.heads, -1)).transpose(1, 2)
            for layer in (attn.to_q, attn.to_k, attn.to_v)
        )
        query, key = attn.norm_q(query), attn.norm_k(key)
        if image_rotary_emb is not None:
            for each in (query, key):
                each[:, :, words:] = apply_rotary_emb(each[:, :, words:], image_rotary_emb)
        weights = (query @ key.transpose(2, 3) * query.shape[-1] ** -0.5).softmax(3)
        frame = torch.arange(hidden_states.shape[1]) // (hidden_states.shape[1] // self.frames)
        weights[:, :, words:, words:] *= frame[:, None] == frame
        out = attn.to_out[0]((weights @ value).transpose(1, 2).flatten(2))
        return out[:, words:], out[:, :words]


@torch.no_grad()
def test_one_frame_loses_nothing(pipeline: Any) -> None:
    attn = pipeline.transformer.transformer_blocks[3].attn1
    generator = torch.Generator().manual_seed(3)
    video, text = (torch.randn(2, count, 32, generator=generator) for count in (12, 5))
    plain = attn(video, encoder_hidden_states=text)
    for found, expected in zip(
        attend_within_frames(attn, video, text, None, frames=1), plain, strict=True
    ):
        torch.testing.assert_close(found, expected)


def test_prompts_of_a_batch_are_guided_each_by_itself(pipeline: Any) -> None:
    both = arguments(pipeline, prompts=2)
    together = pipeline(**both, cag_layers=LAYERS).frames
    parts = ('negative_prompt_embeds', 'prompt_embeds', 'latents')
    for row in range(2):
        alone = both | {name: both[name][row : row + 1] for name in parts}
        found = pipeline(**alone, cag_layers=LAYERS).frames
        torch.testing.assert_close(found[0], together[row], atol=1e-3, rtol=1e-3)


def test_refuses_layers_that_are_not_there(pipeline: Any) -> None:
    with pytest.raises(SettingsError):
        pipeline(**arguments(pipeline), cag_layers=(3, 18))


def test_a_failure_inside_leaves_the_model_as_it_was(pipeline: Any) -> None:
    before = stock(pipeline)

    def fail(*_: object) -> dict[str, Any]:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        pipeline(**arguments(pipeline), cag_layers=LAYERS, callback_on_step_end=fail)
    assert torch.equal(stock(pipeline), before)
