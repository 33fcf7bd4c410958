"""Queries and keys out of image UNets, and that their attention is that of the layers."""

from __future__ import annotations

import copy
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel, UNet2DModel
from image_unets import MODELS, settings, window
from torch import Tensor, nn

from drift_ros.errors import SettingsError
from drift_ros.features import image
from drift_ros.features.attention import AttentionReader, parse_places, self_attention
from drift_ros.features.checkpoints import load_alphas_cumprod
from drift_ros.features.image.image_unet import ImageUnetExtractor
from drift_ros.features.inversion import take_apart
from drift_ros.features.noise import NoiseSchedule
from drift_ros.propagation.attention import attend

FINEST = {'adm': 2, 'sd-2.1': 3, 'sd-1.5': 3}
Make = Callable[..., ImageUnetExtractor]


@pytest.fixture(scope='module')
def make(image_folders: dict[str, Path]) -> Make:
    def make_(model: str, **changes: Any) -> ImageUnetExtractor:
        given = {'image__model': model, 'image__checkpoint': str(image_folders[model])} | changes
        made = image.create(settings(**given), attention=True)
        assert isinstance(made, ImageUnetExtractor)
        return made

    return make_


def whole(folder: Path, model: str) -> Any:
    kind = UNet2DModel if model == 'adm' else UNet2DConditionModel
    return kind.from_pretrained(folder / 'unet').eval()


def inputs(model: str, size: tuple[int, int]) -> tuple[Tensor, ...]:
    torch.manual_seed(0)
    if model == 'adm':
        return torch.randn(1, 3, *size), torch.tensor(51)
    return torch.randn(1, 4, *size), torch.tensor(51), torch.randn(1, 77, 32)


def layer_output(unet: Any, attention: nn.Module, given: tuple[Tensor, ...]) -> dict[str, Tensor]:
    """What a layer projects and gives in a pass of the whole network."""
    seen: dict[str, Tensor] = {}
    parts = {'value': attention.to_v, 'mixed': attention.to_out[1], 'layer': attention}
    handles = [
        part.register_forward_hook(lambda _m, _i, out, name=name: seen.update({name: out}))
        for name, part in parts.items()
    ]
    handles.append(
        attention.register_forward_pre_hook(lambda _m, inputs: seen.update({'input': inputs[0]}))
    )
    with torch.no_grad():
        unet(*given)
    for handle in handles:
        handle.remove()
    return seen


@pytest.mark.parametrize('model', MODELS)
@pytest.mark.parametrize('block', ['coarsest', 'finest'])
def test_with_the_own_values_the_kernel_returns_what_the_layer_returns(
    image_folders: dict[str, Path], model: str, block: str
) -> None:
    unet = whole(image_folders[model], model)
    finest = FINEST[model]
    place = (finest, 1) if block == 'finest' else (0 if model == 'adm' else 1, 1)
    size = (64, 96) if model == 'adm' else (16, 24)
    given = inputs(model, size)
    attention = self_attention(unet, place)
    seen = layer_output(unet, attention, given)
    cut = copy.deepcopy(unet)
    reader = AttentionReader(cut, [place])
    with torch.no_grad():
        maps = reader.read(lambda: cut(*given), size)
    found = reader.descriptors(maps, size[0])
    assert len(found.queries) == attention.heads == len(reader.heads)
    height, width = found.grid
    values = seen['value'][0].mT.reshape(attention.heads, -1, height, width)
    heads = [
        attend([query[0]], [key], value[None])
        for query, key, value in zip(found.queries, found.keys, values, strict=True)
    ]
    mixed = torch.cat(heads).flatten(1).T[None]
    with torch.no_grad():
        projected = attention.to_out[0](mixed)
    torch.testing.assert_close(projected, seen['mixed'], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('model', MODELS)
def test_several_layers_give_what_each_gives_alone(make: Make, model: str) -> None:
    finest = FINEST[model]
    places = [f'{finest - 1}.1', f'{finest}.0']
    both = make(model, attention__layers=','.join(places)).extract(window(2))
    alone = [make(model, attention__layers=place).extract(window(2)) for place in places]
    queries = [query for found in alone for query in found.queries]
    keys = [key for found in alone for key in found.keys]
    assert both.stride == 8 and both.grid == (8, 12)
    assert {query.shape[2:] for query in both.queries} == {(8, 12), (4, 6)}
    for found, expected in ((both.queries, queries), (both.keys, keys)):
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('model', MODELS)
def test_the_finest_layers_are_read_by_default(make: Make, model: str) -> None:
    extractor = make(model)
    assert extractor.name == 'image-attention'
    reader = extractor.attention
    assert reader is not None and reader.places == [(FINEST[model], n) for n in range(3)]
    found = extractor.extract(window(2))
    assert len(found.queries) == len(reader.heads) and found.keys is not found.queries
    assert all(query.shape[:1] == (2,) and query.shape[2:] == (8, 12) for query in found.queries)


@pytest.mark.parametrize('model', ['adm', 'sd-2.1'])
def test_nothing_behind_the_projections_is_kept(make: Make, model: str) -> None:
    unet = make(model, attention__layers=f'{FINEST[model]}.0').unet
    last = unet.up_blocks[-1]
    assert len(unet.up_blocks) == FINEST[model] + 1 and len(last.resnets) == 1
    kept = {name.split('.')[0] for name, _ in last.attentions[-1].named_parameters()}
    assert kept <= {'group_norm', 'to_q', 'to_k', 'norm', 'proj_in', 'transformer_blocks'}
    inner = {name for name, _ in last.attentions[-1].named_parameters()}
    assert not any('attn2' in name or 'to_v' in name or '.ff.' in name for name in inner)


@pytest.mark.parametrize(('model', 'layers'), [('sd-2.1', '0'), ('adm', '3'), ('sd-1.5', '9.0')])
def test_a_place_without_attention_is_refused(make: Make, model: str, layers: str) -> None:
    with pytest.raises(SettingsError):
        make(model, attention__layers=layers)


def test_places() -> None:
    assert parse_places('3', 3) == [(3, 0), (3, 1), (3, 2)]
    assert parse_places('3.1,2.0,3.1', 3) == [(2, 0), (3, 1)]
    with pytest.raises(SettingsError, match='layers'):
        settings(attention__layers='3;2')


@pytest.mark.parametrize(
    ('changes', 'heads'),
    [
        (
            {
                'cross_attention_dim': 1024,
                'attention_head_dim': (5, 10, 20, 20),
                'use_linear_projection': True,
            },
            {'3': (5, 64), '2': (10, 64), '1': (20, 64)},
        ),
        (
            {'cross_attention_dim': 768, 'attention_head_dim': 8},
            {'3': (8, 40), '2': (8, 80), '1': (8, 160)},
        ),
    ],
)
def test_published_sizes(changes: dict[str, Any], heads: dict[str, tuple[int, int]]) -> None:
    with torch.device('meta'):
        unet = UNet2DConditionModel(**changes)
        reader = AttentionReader(unet, parse_places('1,2,3', 3))
        text = torch.empty(1, 77, changes['cross_attention_dim'])
        noisy = torch.empty(1, 4, 60, 104)
        maps = reader.read(lambda: unet(noisy, torch.tensor(51), text), (60, 104))
    found = reader.descriptors(maps, 480)
    grids = {'1': (15, 26), '2': (30, 52), '3': (60, 104)}
    assert found.stride == 8
    for (layer, _), query in zip(reader.heads, found.queries, strict=True):
        count, channels = heads[layer[0]]
        assert query.shape == (1, channels, *grids[layer[0]])
        assert sum(name == layer for name, _ in reader.heads) == count


@pytest.mark.parametrize('model', ['adm', 'sd-2.1'])
def test_inversion_takes_the_place_of_random_noise(
    make: Make, image_folders: dict[str, Path], model: str
) -> None:
    """A frame read after inversion is the frame at the level that the steps of DDIM lead to."""
    frames = window(2)
    inverted = make(model, noise='inversion', inversion_steps=3, attention__layers='2.0')
    found = inverted.extract(frames)
    seeded = make(model, noise='inversion', inversion_steps=3, attention__layers='2.0', seed=5)
    other = seeded.extract(frames)
    assert all(torch.equal(a, b) for a, b in zip(found.queries, other.queries, strict=True))
    unet = whole(image_folders[model], model)
    schedule = NoiseSchedule(load_alphas_cumprod(image_folders[model]))
    told = inverted._conditions(2)
    kind = {'adm': 'epsilon', 'sd-2.1': 'v_prediction'}[model]
    here = torch.stack([inverted._mode(s) for s in inverted._encode(frames.images)])
    levels = [schedule.at(t) for t in (0, 17, 34, 51)]
    for now, after in pairwise(levels):
        with torch.no_grad():
            said = unet(here, now.timestep, *told, return_dict=False)[0]
        clean, noise = take_apart(said, here, now, kind)
        here = after.signal * clean + after.noise * noise
    reader = inverted.attention
    assert reader is not None
    expected = reader.descriptors(inverted._maps(here), 64)
    for one, more in zip(found.keys, expected.keys, strict=True):
        torch.testing.assert_close(one, more, rtol=1e-4, atol=1e-4)


def test_the_network_that_inverts_shares_its_weights(make: Make) -> None:
    extractor = make('sd-2.1', noise='inversion')
    assert extractor._inversion is not None
    whole_ = dict(extractor._inversion.unet.named_parameters())
    cut = dict(extractor.unet.named_parameters())
    assert len(cut) < len(whole_)
    assert all(whole_[name].data_ptr() == tensor.data_ptr() for name, tensor in cut.items())


@pytest.mark.parametrize('model', ['adm', 'sd-2.1'])
def test_keys_may_be_compared_and_more_sharply(make: Make, model: str) -> None:
    plain = make(model).extract(window(1))
    sharp = make(model, attention__temperature=0.25).extract(window(1))
    torch.testing.assert_close(sharp.queries[0], 4 * plain.queries[0])
    alike = make(model, attention__compare='keys').extract(window(1))
    scale = plain.queries[0].shape[1] ** -0.5
    torch.testing.assert_close(alike.queries[0], scale * plain.keys[0])
    for found in (sharp, alike):
        assert torch.equal(found.keys[0], plain.keys[0])
