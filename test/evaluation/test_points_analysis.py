"""Which head holds correspondences: planted ones are picked."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from drift_ros.cli.main import make_app
from drift_ros.evaluation.points import rendered
from drift_ros.evaluation.points.analysis import ALL, Analysis, best_heads, harmonic
from drift_ros.evaluation.points.clips import PointClip
from drift_ros.evaluation.reporting.analysis_files import recipe
from drift_ros.features import Descriptors, FeatureExtractor, Window

STEP = 8  # px per frame, to the right


class Planted(FeatureExtractor):
    """Head 1 finds the cell where a point has moved to, on a grid higher than wide; head 0 finds
    another place, and head 2 nothing.
    """

    name = 'planted'
    window_length = 3
    size_multiple = 8
    device = torch.device('cpu')
    dtype = torch.float32
    heads = (('5', 0), ('5', 1), ('7', 0))

    def extract(self, window: Window) -> Descriptors:
        height, width = (side // 8 for side in window.images.shape[2:])
        y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing='ij')
        maps: list[torch.Tensor] = []
        for wrong in (3, 0):
            codes = [
                torch.nn.functional.one_hot((y * 64 + x - t + wrong * (t > 0)) % 1024, 1024)
                for t in range(len(window.images))
            ]
            maps.append(torch.stack(codes).permute(0, 3, 1, 2).float() * 4)
        maps.append(torch.zeros_like(maps[0]))
        return Descriptors(tuple(maps), tuple(each.clone() for each in maps), 8)


def clip() -> PointClip:
    video = np.zeros((3, 96, 64, 3), np.uint8)
    start = np.float32([[12, 20], [20, 84], [36, 52]])
    move = np.float32([[STEP * t, 0] for t in range(3)])
    tracks = (start[:, None] + move[None]) / np.float32([64, 96])
    return PointClip('planted', video, tracks, np.zeros((3, 3), bool))


def test_the_planted_head_is_picked() -> None:
    analysis = Analysis()
    analysis.add(Planted(), 'x', [clip()], 0, 3)
    rows = {(row['layer'], row['head']): row for row in analysis.rows()}
    assert set(rows) == {('5', '0'), ('5', '1'), ('5', ALL), ('7', '0')}
    assert rows['5', '1']['accuracy'] == 1
    assert rows['5', '0']['accuracy'] == pytest.approx(1 / 3)  # the first frame alone
    # of 3 x 96 cells one in each frame has the logit 16, the others 0
    weight = np.exp(16) / (3 * np.exp(16) + 285)
    assert rows['5', '1']['confidence'] == pytest.approx(weight, rel=1e-4)
    assert rows['5', '1']['attention'] == pytest.approx(2 / 3, rel=1e-3)
    assert rows['7', '0']['attention'] == pytest.approx(2 / 3, rel=1e-3)
    assert rows['7', '0']['confidence'] == pytest.approx(1 / 288, rel=1e-3)


def test_harmonic_means_of_scaled_columns() -> None:
    table = np.array([[0.2, 10, 1], [0.6, 20, 3], [0.4, 15, 2], [1.0, 20, np.nan]])
    found = harmonic(table)
    assert found[0] == 0
    assert found[1] == pytest.approx(3 / (1 / 0.5 + 1 + 1))
    assert found[2] == pytest.approx(3 / (1 / 0.25 + 2 + 2))
    assert found[3] == 0


def test_best_heads_leaves_means_and_features_out() -> None:
    rows = [{'layer': '5', 'head': ALL}, {'layer': 'features', 'head': '0'}]
    assert best_heads([*rows, {'layer': '7', 'head': '2'}]) == '7/2'
    assert best_heads(rows) == ''


def test_the_command_writes_tables_and_a_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = rendered.SETTINGS.model_copy(update={'width': 128, 'height': 96, 'points': 40})
    monkeypatch.setattr(rendered, 'SETTINGS', small)
    arguments = ['analyze', 'rendered-points', '--out', str(tmp_path), '--clips', '1']
    arguments += ['--features', 'embedded-attention', '--frames', '2', '--device', 'cpu']
    arguments += ['--levels', 'features.embedded.snr=5,20', '--set', 'features.resolution=64']
    result = CliRunner().invoke(make_app(), arguments)
    assert result.exit_code == 0, result.output
    rows = json.loads((tmp_path / 'analysis.json').read_text())
    assert {row['level'] for row in rows} == {'5', '20'}
    with (tmp_path / 'analysis.csv').open() as file:
        assert len(list(csv.DictReader(file))) == len(rows)
    assert cv2.imread(str(tmp_path / 'heatmap.png')) is not None
    page = (tmp_path / 'analysis.html').read_text()
    assert recipe(rows[0], 'features.embedded.snr') in page
    assert page.count('<svg') == 2  # the heat map, and accuracy over the levels
    assert f'points.heads={best_heads(rows)}' in result.output
