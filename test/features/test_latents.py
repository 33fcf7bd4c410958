"""The encoder of the VAE."""

from __future__ import annotations

import copy

import pytest
import torch
from diffusers import AutoencoderKL, AutoencoderTiny
from torch import nn

from drift_ros.errors import CheckpointError, DeviceError
from drift_ros.features.latents import LatentEncoder, sample, to_pixels

CPU = torch.device('cpu')
IMAGES = torch.randint(
    0, 256, (5, 3, 32, 48), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
)


@pytest.fixture(scope='module')
def vae() -> AutoencoderKL:
    torch.manual_seed(0)
    return AutoencoderKL(
        block_out_channels=(8, 8, 8, 8),
        down_block_types=('DownEncoderBlock2D',) * 4,
        up_block_types=('UpDecoderBlock2D',) * 4,
        norm_num_groups=4,
    ).eval()


def encoder(vae: nn.Module, batch: int = 2, dtype: torch.dtype = torch.float32) -> LatentEncoder:
    return LatentEncoder(
        copy.deepcopy(vae), scaling_factor=0.5, batch=batch, device=CPU, dtype=dtype
    )


def test_the_posterior_is_that_of_the_vae_scaled(vae: AutoencoderKL) -> None:
    with torch.no_grad():
        expected = vae.encode(IMAGES.float() / 127.5 - 1).latent_dist
    found = encoder(vae)(IMAGES)
    assert found.shape == (5, 2, 4, 4, 6)
    torch.testing.assert_close(found[:, 0], expected.mean * 0.5)
    torch.testing.assert_close(found[:, 1], expected.std * 0.5)


def test_the_number_of_images_per_pass_changes_nothing(vae: AutoencoderKL) -> None:
    one, many = (encoder(vae, batch)(IMAGES) for batch in (1, 128))
    torch.testing.assert_close(one, many, rtol=1e-4, atol=1e-5)


def test_a_sample_lies_where_the_noise_says(vae: AutoencoderKL) -> None:
    posterior = encoder(vae)(IMAGES)[0]
    noise = torch.full((4, 4, 6), 2.0)
    torch.testing.assert_close(sample(posterior, noise), posterior[0] + 2 * posterior[1])


def test_the_decoder_is_not_kept(vae: AutoencoderKL) -> None:
    kept = encoder(vae).vae
    assert not list(kept.decoder.parameters()) and not list(kept.post_quant_conv.parameters())
    assert not any(p.requires_grad for p in kept.parameters())


def test_a_tiny_vae_gives_latents_as_they_are() -> None:
    torch.manual_seed(0)
    tiny = AutoencoderTiny(
        encoder_block_out_channels=(8, 8, 8, 8), decoder_block_out_channels=(8, 8, 8, 8)
    ).eval()
    with torch.no_grad():
        expected = tiny.encode(IMAGES.float() / 127.5 - 1).latents
    found = encoder(tiny)(IMAGES)
    torch.testing.assert_close(found[:, 0], expected)
    assert (found[:, 1] == 0).all()


def test_latents_of_later_models_are_refused() -> None:
    with pytest.raises(CheckpointError, match=r'16 channels, expected 4.*features\.tiny_vae'):
        encoder(AutoencoderTiny(latent_channels=16))


def test_pixels_cover_the_range_of_the_networks() -> None:
    ends = torch.tensor([0, 255], dtype=torch.uint8).view(1, 2, 1, 1)
    assert to_pixels(ends, torch.float16).flatten().tolist() == [-1, 1]
    given = torch.tensor([[[[-0.5]]]])
    assert (
        to_pixels(given, torch.float32) is given or (to_pixels(given, torch.float32) == -0.5).all()
    )


def test_overflow_is_an_error_and_not_a_wrong_mask(vae: AutoencoderKL) -> None:
    broken = encoder(vae)
    with torch.no_grad():
        broken.vae.encoder.conv_in.weight.fill_(torch.inf)
    with pytest.raises(DeviceError, match='bfloat16'):
        broken(IMAGES)
