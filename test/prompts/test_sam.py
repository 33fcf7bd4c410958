"""The segment_anything backend, against a stand-in for the library with its signatures."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest
import torch
from torch import nn

from drift_ros.errors import CheckpointError
from drift_ros.prompts import Prompt, sam
from drift_ros.prompts.queries import TOGETHER

CPU = torch.device('cpu')
SIDE = 256


class FakeSam(nn.Module):
    """The parts of the library's model that the backend touches."""

    def __init__(self, width):
        super().__init__()
        self.image_encoder = nn.Module()
        self.image_encoder.patch_embed = nn.Module()
        self.image_encoder.patch_embed.proj = nn.Conv2d(3, width, 2, 2)
        self.image_encoder.forward = self.image_encoder.patch_embed.proj.forward
        self.prompt_encoder = types.SimpleNamespace(mask_input_size=(SIDE, SIDE))
        self.width = width


class FakePredictor:
    """Answers with the box, or a disc about the last point; keeps a record of what it was asked."""

    device = CPU

    def __init__(self, sam_model):
        self.model = sam_model
        self.images, self.asked, self.resets = [], [], 0
        self.transform = types.SimpleNamespace(
            apply_coords=lambda coords, size: coords, apply_boxes=lambda boxes, size: boxes
        )

    def set_image(self, image, image_format='RGB'):
        assert image.flags.c_contiguous
        assert image_format == 'RGB'
        self.images.append(image)

    def reset_image(self):
        self.resets += 1

    def predict_torch(
        self,
        point_coords,
        point_labels,
        boxes=None,
        mask_input=None,
        multimask_output=True,
        return_logits=False,
    ):
        self.asked.append((point_coords, point_labels, boxes, mask_input, multimask_output))
        height, width = self.images[-1].shape[:2]
        count = len(boxes if point_coords is None else point_coords)
        assert mask_input is None or mask_input.shape == (count, 1, SIDE, SIDE)
        masks = torch.zeros(count, height, width, dtype=torch.bool)
        y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing='ij')
        for number, mask in enumerate(masks):
            if boxes is not None:
                left, top, right, bottom = boxes[number].int().tolist()
                mask[top : bottom + 1, left : right + 1] = True
            else:
                at = point_coords[number, -1]
                mask[:] = torch.hypot(x - at[0], y - at[1]) < 4
        low = torch.zeros(count, 1, SIDE, SIDE)
        if not multimask_output:
            return masks[:, None], torch.full((count, 1), 0.5), low
        candidates = torch.stack([torch.zeros_like(masks), masks, ~masks], 1)
        return candidates, torch.tensor([[0.1, 0.9, 0.3]]).expand(count, 3), low


@pytest.fixture
def library(monkeypatch):
    module = types.ModuleType('segment_anything')
    widths = {'vit_b': 768, 'vit_l': 1024, 'vit_h': 1280}
    module.sam_model_registry = {
        name: lambda checkpoint=None, width=width: FakeSam(width) for name, width in widths.items()
    }
    module.SamPredictor = FakePredictor
    monkeypatch.setitem(sys.modules, 'segment_anything', module)


def checkpoint(folder, width=768, **other):
    path = folder / 'sam_of_mine.pth'
    torch.save(FakeSam(width).state_dict() | other, path)
    return path


@pytest.fixture
def segmenter(library, tmp_path):
    return sam.load(checkpoint(tmp_path), CPU)


def an_image(height=40, width=60):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def point(x, y, label=1, **other):
    return Prompt(
        points=np.array([[x, y]], float), point_labels=np.array([label], np.uint8), **other
    )


@pytest.mark.parametrize('width', [768, 1024, 1280])
def test_the_model_follows_from_the_weights(library, tmp_path, width):
    assert sam.load(checkpoint(tmp_path, width), CPU).predictor.model.width == width


def test_a_lone_point_takes_the_candidate_with_the_best_score(segmenter):
    (mask,) = segmenter.segment(an_image(), [point(20, 10)])
    assert mask[10, 20]
    assert mask.sum() < 60
    assert segmenter.predictor.asked[0][4] is True


def test_boxes_are_asked_together_by_their_outermost_pixels(segmenter):
    boxes = np.array([[2.0, 3, 10, 5], [30, 20, 50, 50]])
    (mask,) = segmenter.segment(an_image(), [Prompt(boxes=boxes)])
    expected = np.zeros((40, 60), bool)
    expected[3:8, 2:12] = expected[20:40, 30:60] = True
    np.testing.assert_array_equal(mask, expected)
    ((points, _, corners, _, multimask),) = segmenter.predictor.asked
    assert (points, multimask) == (None, False)
    assert corners.tolist() == [[2, 3, 11, 7], [30, 20, 59, 39]]


def test_points_and_labels_reach_the_library_as_it_wants_them(segmenter):
    prompt = Prompt(points=np.array([[5.0, 6], [8, 9]]), point_labels=np.array([1, 0], np.uint8))
    segmenter.segment(an_image(), [prompt])
    coords, labels, box, mask, multimask = segmenter.predictor.asked[0]
    np.testing.assert_array_equal(coords, [[[5, 6], [8, 9]]])
    np.testing.assert_array_equal(labels, [[1, 0]])
    assert (box, mask, multimask) == (None, None, False)


@pytest.mark.parametrize('size', [(40, 60), (60, 40)])
def test_a_mask_becomes_logits_with_padding_to_the_right_or_below(segmenter, size):
    mask = np.zeros(size, bool)
    mask[10:20, 5:15] = True
    segmenter.segment(an_image(*size), [point(7, 12, mask=mask)])
    logits = segmenter.predictor.asked[0][3][0].numpy()
    assert logits.dtype == np.float32
    scale = SIDE / 60
    rows, columns = np.nonzero(logits[0] > 0)
    assert rows.min() == pytest.approx(10 * scale, abs=1)
    assert rows.max() + 1 == pytest.approx(20 * scale, abs=1)
    assert columns.min() == pytest.approx(5 * scale, abs=1)
    assert columns.max() + 1 == pytest.approx(15 * scale, abs=1)
    assert (logits[0, -1, -1], logits.max()) == (-10, 10)


def test_the_image_is_embedded_once_and_let_go(segmenter):
    masked = Prompt(mask=np.eye(40, 60) > 0)
    image = an_image()[:, ::-1]
    masks = segmenter.segment(image, [masked, point(1, 2), point(30, 20)])
    assert len(segmenter.predictor.images) == 1
    assert segmenter.predictor.resets == 1
    np.testing.assert_array_equal(masks[0], masked.mask)
    segmenter.segment(image, [masked])
    assert len(segmenter.predictor.images) == 1, 'a mask alone needs no embedding'


def test_alike_prompts_are_asked_together(segmenter):
    places = [(3 + x, 4 + y) for x in range(0, 50, 12) for y in range(0, 32, 8)]
    box = Prompt(boxes=np.array([[2.0, 3, 10, 5]]))
    masks = segmenter.segment(an_image(), [*(point(*at) for at in places), box])
    counts = [len(a[0] if a[2] is None else a[2]) for a in segmenter.predictor.asked]
    assert counts == [TOGETHER, len(places) - TOGETHER, 1]
    for at, mask in zip(places, masks, strict=False):
        np.testing.assert_array_equal(mask, segmenter.segment(an_image(), [point(*at)])[0])


def test_the_embedding_is_let_go_after_an_error(segmenter, monkeypatch):
    def fail(*args, **options):
        raise RuntimeError('out of memory')

    monkeypatch.setattr(segmenter.predictor, 'predict_torch', fail)
    with pytest.raises(RuntimeError, match='out of memory'):
        segmenter.segment(an_image(), [point(1, 2)])
    assert segmenter.predictor.resets == 1


def test_a_half_precision_encoder_takes_and_gives_float32():
    encoder = nn.Conv2d(3, 4, 2, 2)
    image = torch.rand(1, 3, 8, 8)
    before = encoder(image)
    sam._run_in(encoder, torch.bfloat16)
    assert encoder.weight.dtype == torch.bfloat16
    after = encoder(image)
    assert after.dtype == torch.float32
    torch.testing.assert_close(after, before, atol=0.02, rtol=0.02)


def test_missing_library(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, 'segment_anything', None)
    with pytest.raises(CheckpointError, match='pip install segment-anything torchvision'):
        sam.load(checkpoint(tmp_path), CPU)


def test_missing_file(library, tmp_path):
    with pytest.raises(CheckpointError):
        sam.load(tmp_path / 'sam_vit_b.pth', CPU)


def test_cut_file(library, tmp_path):
    path = checkpoint(tmp_path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CheckpointError):
        sam.load(path, CPU)


def test_file_of_another_model(library, tmp_path):
    path = tmp_path / 'other.pth'
    torch.save({'weight': torch.zeros(3)}, path)
    with pytest.raises(CheckpointError, match='Segment Anything'):
        sam.load(path, CPU)


def test_file_of_another_width(library, tmp_path):
    with pytest.raises(CheckpointError, match='width 64'):
        sam.load(checkpoint(tmp_path, 64), CPU)


def test_file_with_tensors_that_the_model_lacks(library, tmp_path):
    with pytest.raises(CheckpointError, match=r'vit_b.*surplus'):
        sam.load(checkpoint(tmp_path, surplus=torch.zeros(1)), CPU)


def test_all_answers_are_given_best_first(segmenter):
    prompts = [point(20, 10, boxes=np.array([[10, 5, 20, 12]], float)) for _ in range(2)]
    answers = segmenter.propose(an_image(), prompts)
    assert [a.shape for a in answers] == [(3, 40, 60)] * 2
    for best, second, last in answers:
        assert best[10, 20] and np.array_equal(second, ~best) and not last.any()
    assert len(segmenter.predictor.images) == segmenter.predictor.resets == 1
    assert segmenter.propose(an_image(), []) == []
