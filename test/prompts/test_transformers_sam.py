"""SAM and SAM 2 by transformers: small models of the true classes, random weights, as folders."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
import transformers
from sam_models import DECODER, SIDE, enlarge, make_sam2_video, sam2_parts

from drift_ros.errors import CheckpointError
from drift_ros.prompts import Prompt
from drift_ros.prompts.queries import TOGETHER
from drift_ros.prompts.transformers_sam import MEAN, STD, Sam, Sam2, load

CPU = torch.device('cpu')


def make_sam():
    return transformers.SamModel(
        transformers.SamConfig(
            vision_config={
                'hidden_size': 32,
                'output_channels': 16,
                'num_hidden_layers': 2,
                'num_attention_heads': 2,
                'image_size': SIDE,
                'patch_size': 8,
                'window_size': 4,
                'global_attn_indexes': [1],
                'num_pos_feats': 8,
                'mlp_dim': 32,
                'initializer_range': 0.1,
            },
            prompt_encoder_config={
                'hidden_size': 16,
                'image_size': SIDE,
                'patch_size': 8,
                'mask_input_channels': 16,
            },
            mask_decoder_config=DECODER,
        )
    )


def make_sam2():
    return transformers.Sam2Model(transformers.Sam2Config(**sam2_parts()))


MAKERS = {'sam': make_sam, 'sam2': make_sam2, 'sam2_video': make_sam2_video}


@pytest.fixture(scope='module')
def folders(tmp_path_factory):
    """Model type -> folder."""
    place = tmp_path_factory.mktemp('models')
    for kind, make in MAKERS.items():
        torch.manual_seed(0)
        model = make()
        enlarge(model)
        model.save_pretrained(place / kind)
    return {kind: place / kind for kind in MAKERS}


@pytest.fixture(scope='module', params=list(MAKERS))
def segmenter(request, folders):
    return load(folders[request.param], CPU)


def an_image(height=48, width=80):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def a_mask(height=48, width=80):
    mask = np.zeros((height, width), bool)
    mask[10:30, 20:50] = True
    return mask


def point(x=30.0, y=20.0, label=1, **other):
    return Prompt(points=np.array([[x, y]]), point_labels=np.array([label], np.uint8), **other)


def spy_on(segmenter, monkeypatch):
    """A list that gets the (inputs, output) of every pass of the decoder."""
    seen = []
    forward = segmenter.model.forward

    def spy(**inputs):
        output = forward(**inputs)
        seen.append((inputs, output))
        return output

    monkeypatch.setattr(segmenter.model, 'forward', spy)
    return seen


BOX = np.array([[20.0, 10, 30, 20]])
BOXES = np.array([[20.0, 10, 30, 20], [60, 30, 10, 10]])
EVERY_KIND = [
    point(),
    Prompt(points=np.array([[30.0, 20], [1, 1]]), point_labels=np.array([1, 0], np.uint8)),
    Prompt(boxes=BOX),
    Prompt(boxes=BOXES),
    point(boxes=BOX),
    point(1, 1, 0, boxes=BOXES),
    point(mask=a_mask()),
    Prompt(boxes=BOX, mask=a_mask()),
]


@pytest.mark.parametrize('size', [(48, 80), (80, 48), (20, 20), (100, 300)])
def test_every_kind_of_prompt_gives_a_mask_of_the_image(segmenter, size):
    height, width = size
    prompts = [
        point(5, 5),
        Prompt(boxes=np.array([[2.0, 3, 9, 9]])),
        point(5, 5, mask=np.eye(*size) > 0),
    ]
    for mask in segmenter.segment(an_image(height, width), prompts):
        assert mask.shape == size
        assert mask.dtype == bool


def test_runs_in_fp32_on_the_cpu(segmenter):
    assert segmenter.device == CPU
    assert segmenter.dtype == torch.float32
    assert {p.dtype for p in segmenter.model.parameters()} == {torch.float32}


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
@pytest.mark.parametrize('kind', list(MAKERS))
def test_runs_in_half_precision(folders, kind, dtype):
    half = load(folders[kind], CPU, dtype)
    assert {p.dtype for p in half.model.parameters()} == {dtype}
    for mask in half.segment(an_image(), EVERY_KIND):
        assert mask.shape == (48, 80)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device')
@pytest.mark.parametrize('kind', list(MAKERS))
def test_runs_in_fp16_on_a_gpu(folders, kind):
    segmenter = load(folders[kind], torch.device('cuda'))
    assert segmenter.dtype == torch.float16
    for mask in segmenter.segment(an_image(), EVERY_KIND):
        assert mask.shape == (48, 80)


def test_the_image_is_embedded_once_for_all_prompts(segmenter):
    calls = []
    hook = segmenter.model.vision_encoder.register_forward_hook(lambda *_: calls.append(1))
    try:
        segmenter.segment(an_image(), EVERY_KIND)
        assert len(calls) == 1
        segmenter.segment(an_image(), [Prompt(mask=a_mask())])
        assert len(calls) == 1, 'a mask alone needs no embedding'
    finally:
        hook.remove()


def test_a_mask_alone_is_taken_as_it_is(segmenter):
    (mask,) = segmenter.segment(an_image(), [Prompt(mask=a_mask())])
    np.testing.assert_array_equal(mask, a_mask())


def test_prompts_do_not_disturb_each_other_and_repeat_exactly(segmenter):
    together = segmenter.segment(an_image(), EVERY_KIND)
    for prompt, mask in zip(EVERY_KIND, together, strict=True):
        np.testing.assert_array_equal(mask, segmenter.segment(an_image(), [prompt])[0])


def test_alike_prompts_are_decoded_together(segmenter, monkeypatch):
    seen = spy_on(segmenter, monkeypatch)
    places = [(5.0 + x, 6.0 + y) for x in range(0, 70, 15) for y in range(0, 40, 10)]
    rough = point(mask=a_mask())
    prompts = [*(point(*at) for at in places), Prompt(boxes=BOXES), Prompt(boxes=BOX), rough]
    together = segmenter.segment(an_image(), prompts)
    sizes = [output.pred_masks.shape[1] for _, output in seen]
    assert sizes == [TOGETHER, len(places) - TOGETHER, 3, 1]
    for prompt, mask in zip(prompts, together, strict=True):
        np.testing.assert_array_equal(mask, segmenter.segment(an_image(), [prompt])[0])


def test_several_boxes_give_the_union(segmenter):
    (both,) = segmenter.segment(an_image(), [Prompt(boxes=BOXES)])
    first, second = segmenter.segment(an_image(), [Prompt(boxes=box[None]) for box in BOXES])
    np.testing.assert_array_equal(both, first | second)


def test_a_mask_reaches_the_model_in_place(segmenter, monkeypatch):
    seen = spy_on(segmenter, monkeypatch)
    image = an_image(SIDE, SIDE)
    square = np.zeros((SIDE, SIDE), bool)
    square[16:32, 32:48] = True
    segmenter.segment(image, [point(mask=square), point(mask=square.T.copy())])
    (inputs, output), (_, other) = seen
    logits = inputs['input_masks'][0, 0]
    step = SIDE // len(logits)
    assert logits[16 // step : 32 // step, 32 // step : 48 // step].min() > 5
    assert (logits > 0).sum() == (16 // step) ** 2
    assert logits.min() == -10
    assert (output.pred_masks != other.pred_masks).any()


def test_a_lone_point_takes_the_best_of_three(segmenter, monkeypatch):
    """The answer is the upsampled candidate with the highest predicted IoU."""
    seen = spy_on(segmenter, monkeypatch)
    image = an_image(SIDE, SIDE)
    (mask,) = segmenter.segment(image, [point()])
    inputs, output = seen.pop()
    assert inputs['multimask_output']
    assert output.pred_masks.shape[2] == 3
    best = int(output.iou_scores[0, 0].argmax())
    logits = torch.nn.functional.interpolate(output.pred_masks[:, 0], (SIDE, SIDE), mode='bilinear')
    np.testing.assert_array_equal(mask, (logits[0, best] > 0).numpy())
    segmenter.segment(image, [Prompt(boxes=BOX)])
    inputs, output = seen.pop()
    assert not inputs['multimask_output']
    assert output.pred_masks.shape[2] == 1


@pytest.mark.parametrize('kind', ['sam', 'sam2'])
def test_coordinates_scale_with_the_image(folders, kind, monkeypatch):
    """A point keeps its place relative to the outer border, a box its outermost pixels."""
    segmenter = load(folders[kind], CPU)
    seen = spy_on(segmenter, monkeypatch)
    box = np.array([[0.0, 0, 100, 50]])
    segmenter.segment(an_image(50, 100), [point(99.0, 49.0, boxes=box)])
    scale = np.array([SIDE / 100, SIDE / (100 if kind == 'sam' else 50)])
    last = np.array([99.5, 49.5]) * scale - 0.5
    np.testing.assert_allclose(seen[0][0]['input_points'][0, 0, 0], last, atol=1e-5)
    first = 0.5 * scale - 0.5
    np.testing.assert_allclose(seen[0][0]['input_boxes'][0, 0], [*first, *last], atol=1e-5)


@pytest.mark.parametrize('size', [(48, 80), (80, 48), (37, 41)])
def test_what_is_fitted_to_the_model_comes_back_in_place(segmenter, size):
    mask = torch.zeros(1, 1, *size)
    mask[..., 8:20, 5:30] = 1
    fitted = segmenter._pad(segmenter._fit(mask, antialias=True))
    assert fitted.shape == (1, 1, SIDE, SIDE)
    back = segmenter._unfit(fitted, size) > 0.5
    assert back.shape[2:] == size
    assert (back ^ (mask > 0.5)).sum() <= 0.1 * mask.sum()


def test_pixels_equal_the_librarys_own_preparation(folders):
    try:
        from transformers.models.sam.image_processing_pil_sam import SamImageProcessorPil
    except ImportError:
        pytest.skip('this transformers has no SAM image processor without torchvision')
    processor = SamImageProcessorPil(
        size={'longest_edge': SIDE},
        pad_size={'height': SIDE, 'width': SIDE},
        image_mean=list(MEAN),
        image_std=list(STD),
    )
    image = np.kron(an_image(10, 16), np.ones((12, 12, 1), np.uint8))
    expected = processor(image, return_tensors='pt')['pixel_values']
    segmenter = load(folders['sam'], CPU)
    seen = []
    hook = segmenter.model.vision_encoder.register_forward_pre_hook(
        lambda _, args: seen.append(args[0])
    )
    segmenter.segment(image, [point()])
    hook.remove()
    # The library rounds to 8 bits after scaling: half a grey value, in units of the deviation.
    assert (seen[0] - expected).abs().max() < 1.5 / 255 / min(STD)


def test_the_image_may_be_read_only(segmenter):
    image = an_image()
    image.setflags(write=False)
    segmenter.segment(image, [point()])


def test_classes_follow_the_config(folders):
    assert isinstance(load(folders['sam'], CPU), Sam)
    assert isinstance(load(folders['sam2'], CPU), Sam2)
    assert isinstance(load(folders['sam2_video'], CPU), Sam2)


@pytest.fixture
def broken(folders, tmp_path):
    """A copy of the SAM folder to break."""
    return shutil.copytree(folders['sam'], tmp_path / 'sam')


def test_missing_folder(tmp_path):
    with pytest.raises(CheckpointError, match=r'does not exist.*hf download'):
        load(tmp_path / 'nowhere', CPU)


def test_folder_without_config(tmp_path):
    with pytest.raises(CheckpointError, match=r'no config\.json'):
        load(tmp_path, CPU)


def test_broken_config(broken):
    (broken / 'config.json').write_text('{"model_ty')
    with pytest.raises(CheckpointError, match=r'config\.json'):
        load(broken, CPU)


def test_another_class_of_model(broken):
    (broken / 'config.json').write_text(json.dumps({'model_type': 'bert'}))
    with pytest.raises(CheckpointError, match=r"'bert'.*sam2"):
        load(broken, CPU)


def test_half_downloaded_without_weights(broken):
    (broken / 'model.safetensors').unlink()
    with pytest.raises(CheckpointError, match='download'):
        load(broken, CPU)


def test_half_downloaded_with_cut_weights(broken):
    weights = broken / 'model.safetensors'
    weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])
    with pytest.raises(CheckpointError, match='download'):
        load(broken, CPU)


def test_weights_that_lack_tensors_are_never_filled_with_noise(broken):
    from safetensors.torch import load_file, save_file

    tensors = load_file(broken / 'model.safetensors')
    del tensors['mask_decoder.iou_token.weight']
    save_file(tensors, broken / 'model.safetensors', metadata={'format': 'pt'})
    with pytest.raises(CheckpointError, match=r'1 tensors are missing.*iou_token'):
        load(broken, CPU)


def test_weights_of_another_size(broken):
    config = json.loads((broken / 'config.json').read_text())
    config['mask_decoder_config']['mlp_dim'] = 48
    (broken / 'config.json').write_text(json.dumps(config))
    with pytest.raises(CheckpointError):
        load(broken, CPU)


def test_all_answers_are_given_best_first(segmenter):
    box = np.array([[20, 10, 30, 20]], float)
    prompts = [
        Prompt(boxes=box, points=np.array([[30.0, 20.0]]), point_labels=np.ones(1, np.uint8),
               mask=a_mask()),
        Prompt(boxes=box + 5),
    ]  # fmt: skip
    embedded = []
    embed = segmenter._embed
    segmenter._embed = lambda image: embedded.append(1) or embed(image)
    try:
        answers = segmenter.propose(an_image(), prompts)
        alone = segmenter.propose(an_image(), prompts[1:])
    finally:
        del segmenter._embed
    assert [a.shape for a in answers] == [(3, 48, 80)] * 2 and answers[0].dtype == bool
    assert np.array_equal(answers[1], alone[0])
    assert len({a.tobytes() for a in answers[0]}) > 1
    assert len(embedded) == 2  # once per call
    assert segmenter.propose(an_image(), []) == []
