"""Video transformers as extractors, on small models of their true classes saved as folders."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from drift_ros import features
from drift_ros.errors import CheckpointError, SettingsError
from drift_ros.features.base import FeatureExtractor, Window
from drift_ros.features.dit.reader import ReadingProcessor, attention_of
from drift_ros.features.dit.untrained import write_untrained
from drift_ros.settings import FeatureSettings, build

MODELS = ('cogvideox-2b', 'cogvideox-5b', 'hunyuanvideo')


@pytest.fixture(scope='module')
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    places = {model: tmp_path_factory.mktemp(model) for model in MODELS}
    for model, place in places.items():
        write_untrained(model, place)
    return places


def make(folder: Path, model: str, **values: object) -> FeatureExtractor:
    settings = {'name': 'video-dit', 'device': 'cpu', 'dit.model': model}
    return features.create(
        build(FeatureSettings, settings | {'dit.checkpoint': str(folder)} | values)
    )


def window(frames: int = 3, new: int | None = None, side: int = 32) -> Window:
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (frames, 3, side, side + 16), generator=generator)
    return Window(images.to(torch.uint8), tuple(range(1, frames + 1)), new or frames)


def channels(model: str) -> int:
    return 24 if model == 'hunyuanvideo' else 16


def load_whole(model: str, folder: Path) -> Any:
    """The stock transformer with all its layers."""
    import diffusers

    cls = (
        diffusers.HunyuanVideoTransformer3DModel
        if model == 'hunyuanvideo'
        else diffusers.CogVideoXTransformer3DModel
    )
    return cls.from_pretrained(folder / 'transformer').eval()


@pytest.mark.parametrize('model', MODELS)
def test_gives_a_map_per_head_on_cells_of_16_px(folders: dict[str, Path], model: str) -> None:
    extractor = make(folders[model], model)
    layer = '16' if model == 'hunyuanvideo' else '17'
    assert extractor.heads == ((layer, 0), (layer, 1))
    assert extractor.window_length == 13
    found = extractor.extract(window(3, new=2))
    assert len(found.queries) == 2
    assert found.queries[0].shape == (2, channels(model), 2, 3)
    assert found.stride == 16
    assert found.keys is not found.queries


@pytest.mark.parametrize('model', MODELS)
def test_frames_are_described_alike_in_a_session_and_at_once(
    folders: dict[str, Path], model: str
) -> None:
    extractor = make(folders[model], model)
    both = window(3)
    session = extractor.session()
    session.extract(Window(both.images[:2], both.stamps[:2], 2))
    again = session.extract(both)
    for one, other in zip(extractor.extract(both).queries, again.queries, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize('model', MODELS)
def test_what_is_read_is_what_the_whole_model_attends_with(
    folders: dict[str, Path], model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The queries and keys of the video's tokens that reach scaled dot product attention in the
    stock model are those that the extractor, cut off there, gives.
    """
    extractor: Any = make(folders[model], model)
    shown = window(2)
    found = extractor.extract(shown)
    latents = torch.stack(extractor.encode(shown, {}))
    whole = load_whole(model, folders[model])
    seen: list[tuple[Tensor, Tensor]] = []
    plain = torch.nn.functional.scaled_dot_product_attention

    def spy(query: Tensor, key: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        seen.append((query, key))
        return plain(query, key, *args, **kwargs)

    layer = int(extractor.heads[0][0])
    block = [*whole.transformer_blocks, *getattr(whole, 'single_transformer_blocks', ())][layer]
    monkeypatch.setattr(extractor, 'transformer', whole)
    attention = attention_of(block)
    stock = attention.processor

    class Watch:
        def __call__(
            self,
            attn: Any,
            hidden_states: Tensor,
            encoder_hidden_states: Any = None,
            attention_mask: Any = None,
            image_rotary_emb: Any = None,
        ) -> Any:
            with monkeypatch.context() as patch:
                patch.setattr(torch.nn.functional, 'scaled_dot_product_attention', spy)
                return stock(
                    attn,
                    hidden_states,
                    encoder_hidden_states,
                    attention_mask=attention_mask,
                    image_rotary_emb=image_rotary_emb,
                )

    attention.set_processor(Watch())
    with torch.no_grad():
        extractor._run(latents)
    assert len(seen) == 1
    tokens = 2 * 2 * 3
    for place, maps in enumerate((found.queries, found.keys)):
        each = seen[0][place]  # (B, heads, text and video, C)
        video = each[0, :, :tokens] if model == 'hunyuanvideo' else each[0, :, -tokens:]
        mine = torch.stack([m.permute(0, 2, 3, 1).flatten(0, 2) for m in maps])
        scale = channels(model) ** 0.5 if place == 0 else 1
        torch.testing.assert_close(mine * scale, video, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize('model', MODELS)
def test_a_reading_processor_changes_nothing(folders: dict[str, Path], model: str) -> None:
    extractor: Any = make(folders[model], model)
    latents = torch.stack(extractor.encode(window(2), {}))
    whole = load_whole(model, folders[model])
    outputs = []
    extractor.transformer = whole
    whole.register_forward_hook(lambda module, inputs, output: outputs.append(output.sample))
    kept: list[Tensor] = []
    with torch.no_grad():
        extractor._run(latents)
        for block in [*whole.transformer_blocks, *getattr(whole, 'single_transformer_blocks', ())]:
            attention = attention_of(block)
            attention.set_processor(
                ReadingProcessor(attention.processor, lambda query, key: kept.append(query))
            )
        extractor._run(latents)
    assert torch.equal(*outputs)
    assert len(kept) >= 18


@pytest.mark.parametrize('model', ['cogvideox-2b', 'hunyuanvideo'])
def test_layers_behind_the_one_that_is_read_are_not_loaded(
    folders: dict[str, Path], model: str
) -> None:
    extractor: Any = make(folders[model], model, **{'dit.layers': '1,3'})
    assert [name for name, _ in extractor.heads] == ['1', '1', '3', '3']
    assert len(extractor.transformer.transformer_blocks) == 4
    assert not len(getattr(extractor.transformer, 'single_transformer_blocks', ()))
    assert len(extractor.extract(window(2)).queries) == 4
    deeper: Any = make(folders[model], model, **{'dit.layers': '17'})
    shallow = make(folders[model], model, **{'dit.layers': '3'})
    first = extractor.extract(window(2)).queries[2]
    torch.testing.assert_close(first, shallow.extract(window(2)).queries[0])
    assert len(deeper.extract(window(2)).queries) == 2


def test_the_prompt_is_encoded_once_and_counts(folders: dict[str, Path]) -> None:
    folder = folders['cogvideox-2b']
    plain, prompted = (
        make(folder, 'cogvideox-2b', **{'dit.prompt': text}).extract(window(2))
        for text in ('', 'a ball')
    )
    assert not torch.allclose(plain.queries[0], prompted.queries[0])


@pytest.mark.parametrize('part', ['transformer', 'vae', 'text_encoder', 'tokenizer'])
def test_says_what_is_missing(folders: dict[str, Path], tmp_path: Path, part: str) -> None:
    place = shutil.copytree(folders['cogvideox-2b'], tmp_path / 'model')
    shutil.rmtree(place / part)
    with pytest.raises(CheckpointError):
        make(place, 'cogvideox-2b')


def test_refuses_layers_and_models_that_do_not_fit(folders: dict[str, Path]) -> None:
    with pytest.raises(SettingsError):
        make(folders['cogvideox-2b'], 'cogvideox-2b', **{'dit.layers': '18'})
    with pytest.raises(CheckpointError):
        make(folders['hunyuanvideo'], 'cogvideox-2b')


def test_untrained_models_try_the_code_path() -> None:
    settings = {'name': 'video-dit', 'device': 'cpu', 'dit.checkpoint': 'untrained'}
    extractor = features.create(build(FeatureSettings, settings))
    assert extractor.extract(window(1)).queries[0].shape == (1, 16, 2, 3)
