"""Textual inversion: embeddings whose cross-attention shows the masks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from image_unets import settings, window
from torch import Tensor

from drift_ros.adaptation.text import TextFit, insert
from drift_ros.errors import PromptError, SettingsError
from drift_ros.features import image
from drift_ros.features.cross_attention import TextAttention, View
from drift_ros.features.image.stable_diffusion import StableDiffusionExtractor
from drift_ros.features.image.untrained_image_unets import write_untrained
from drift_ros.settings import TextInversionSettings

Make = Callable[..., StableDiffusionExtractor]
RANDOM = 2.0  # deviation of planted embeddings


@pytest.fixture(scope='module')
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """A small model of a class, with settings."""
    folders: dict[str, Path] = {}

    def make_(model: str = 'sd-2.1', attention: bool = True, **changes: Any) -> Any:
        if model not in folders:
            folders[model] = tmp_path_factory.mktemp(model)
            write_untrained(model, folders[model])
        given = {'image__model': model, 'image__checkpoint': str(folders[model])} | changes
        return image.create(settings(**given), attention=attention)

    return make_


def frame() -> Tensor:
    return window(1).images[0]


def masks(height: int, width: int) -> Tensor:
    """Labels of the ground and two objects."""
    labels = torch.zeros(3, height, width)
    labels[1, 1:5, 1:5], labels[2, 3:7, 7:11] = 1, 1
    labels[0] = 1 - labels[1:].sum(0)
    return labels


def planted(labels: Tensor, dim: int) -> View:
    """Cross-attention of cells whose queries are a code of the label that they have."""
    generator = torch.Generator().manual_seed(3)
    codes = 4 * torch.nn.functional.normalize(torch.randn(3, dim, generator=generator), dim=1)
    queries = torch.einsum('khw,kc->hwc', labels, codes)

    def view(text: Tensor, draw: int) -> TextAttention:
        noise = torch.Generator().manual_seed(draw)
        logits = queries @ text[0].T
        logits = logits + 0.1 * torch.randn(logits.shape, generator=noise)
        maps = (queries.permute(2, 0, 1)[None],)
        return TextAttention(logits.softmax(2).permute(2, 0, 1)[None], maps, maps)

    return view


@pytest.mark.parametrize('passes', ['joint', 'each'])
@pytest.mark.parametrize(('loss', 'spread'), [('bce', 0.0), ('mse', 0.0), ('bce', 1.0)])
def test_planted_cross_attention_is_matched(passes: Any, loss: Any, spread: float) -> None:
    labels, prompt = masks(8, 12), torch.zeros(1, 10, 16)
    view = planted(labels, 16)
    chosen = TextInversionSettings(rate=0.05, passes=passes, loss=loss, spread=spread)
    fit = TextFit(view, prompt, labels, chosen)
    losses = [fit.step() for _ in range(100)]
    assert losses[-1] < 0.3 * losses[0]
    shares = view(insert(prompt, fit.embeddings), 1000).tokens[0, 1:3]
    assert torch.equal(shares > 0.5, labels[1:] > 0)


@pytest.mark.parametrize(('model', 'passes'), [('sd-2.1', 'joint'), ('sd-1.5', 'each')])
def test_the_loss_falls_on_networks_of_the_published_classes(
    make: Make, model: str, passes: Any
) -> None:
    extractor = make(model)
    view = extractor.view(frame(), 0, '')
    settings_ = TextInversionSettings(rate=0.1, passes=passes, loss='mse')
    fit = TextFit(view, extractor.prompt, masks(8, 12), settings_)
    losses = [fit.step() for _ in range(12)]
    assert sum(losses[-3:]) < 0.98 * sum(losses[:3])


@pytest.mark.parametrize('spread', [0.0, 1.0])
def test_nothing_but_the_embeddings_changes(make: Make, spread: float) -> None:
    extractor = make()
    before = {name: weight.clone() for name, weight in extractor.unet.named_parameters()}
    prompt = extractor.prompt.clone()
    view = extractor.view(frame(), 0, '3.0,3.1')
    fit = TextFit(view, extractor.prompt, masks(8, 12), TextInversionSettings(spread=spread))
    start = fit.embeddings.clone()
    fit.step()
    assert bool((fit.embeddings != start).all())
    assert torch.equal(extractor.prompt, prompt)
    for name, weight in extractor.unet.named_parameters():
        assert weight.grad is None and torch.equal(weight, before[name])


@pytest.mark.parametrize('noise', ['random', 'inversion'])
def test_frames_are_read_with_the_text_of_the_stream(make: Make, noise: str) -> None:
    """Also inverted with it, as with any prompt."""
    extractor = make(noise=noise, inversion_steps=2)
    text = insert(extractor.prompt, RANDOM * torch.randn(2, extractor.prompt.shape[2]))
    session = extractor.session()
    plain = session.extract(window(2))
    session.text = text
    found = session.extract(window(2))
    assert not torch.allclose(found.keys[0], plain.keys[0], atol=1e-3)
    other = make(noise=noise, inversion_steps=2)
    other.prompt = text
    expected = other.extract(window(2))
    for one, more in zip(found.queries, expected.queries, strict=True):
        torch.testing.assert_close(one, more)
    again = extractor.session().extract(window(2))  # another stream has no part in it
    assert torch.equal(again.keys[0], plain.keys[0])


def test_shares_are_those_of_the_layer(make: Make) -> None:
    extractor = make(attention=False, image__block=3)
    seen = extractor.view(frame(), 0, '3.1')(extractor.prompt, 0)
    attention = extractor.unet.up_blocks[3].attentions[1].transformer_blocks[0].attn2
    kept: dict[str, Tensor] = {}
    hook = attention.register_forward_pre_hook(
        lambda _m, inputs, given: kept.update(cells=inputs[0], text=given['encoder_hidden_states']),
        with_kwargs=True,
    )
    extractor.extract(window(1))
    hook.remove()
    with torch.no_grad():
        query, key = (
            attention.head_to_batch_dim(each)
            for each in (attention.to_q(kept['cells']), attention.to_k(kept['text']))
        )
        expected = attention.get_attention_scores(query, key).mean(0)
    torch.testing.assert_close(seen.tokens[0].flatten(1).T, expected, rtol=1e-4, atol=1e-5)
    assert len(seen.queries) == attention.heads and seen.queries[0].shape[2:] == (8, 12)


def test_a_prompt_has_room_for_so_many_targets(make: Make) -> None:
    extractor = make()
    labels = torch.ones(80, 8, 12)
    with pytest.raises(PromptError, match='75'):
        TextFit(extractor.view(frame(), 0, ''), extractor.prompt, labels, TextInversionSettings())


@pytest.mark.parametrize('layers', ['0', '3.2', '9'])
def test_a_place_without_cross_attention_is_refused(make: Make, layers: str) -> None:
    """The network ends with the projections of 3.2, before that layer attends to text."""
    with pytest.raises(SettingsError, match=r'adaptation\.text\.layers'):
        make().view(frame(), 0, layers)
