"""The numbers of the official DAVIS code, kept in golden.json."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from label_maps import CHANGES, blobs
from PIL import Image

from drift_ros.evaluation.metrics import score_frame, statistics

GOLDEN = json.loads(Path(__file__).with_name('golden.json').read_text())
EXACT = 1e-12  # far below the 1e-6 that matter: counts of pixels divide the same way


@pytest.mark.parametrize('change', [*CHANGES, 'other'])
def test_hand_made_maps_score_as_in_the_official_code(change):
    cases = [case for case in GOLDEN['blobs'] if case['change'] == change]
    assert len(cases) == 24
    for case in cases:
        seed, size = case['seed'], tuple(case['size'])
        truth = blobs(seed, size)
        result = blobs(seed + 100, size) if change == 'other' else CHANGES[change](truth)
        score = score_frame(truth, result, [1, 2, 3])
        found = np.stack([score.j, score.f], 1)
        np.testing.assert_allclose(found, case['j f'], rtol=0, atol=EXACT, err_msg=str(case))


@pytest.mark.parametrize('clip', ['test/dogs-jump', 'val/swing'])
def test_real_annotations_score_as_in_the_official_code(davis: Path, clip: str):
    split, name = clip.split('/')
    files = sorted((davis / split / 'Annotations' / '480p' / name).glob('*.png'))
    truths = [np.asarray(Image.open(file)) for file in files][1:-1]
    for case in (case for case in GOLDEN['clips'] if case['clip'] == clip):
        change = CHANGES[case['change']]
        ids = [int(id_) for id_ in case['objects']]
        scores = [score_frame(truth, change(truth), ids) for truth in truths]
        for place, known in enumerate(case['objects'].values()):
            for measure, values in (('J', [s.j for s in scores]), ('F', [s.f for s in scores])):
                found = statistics([frame[place] for frame in values])
                expected = pytest.approx(known[measure], abs=EXACT)
                assert [found.mean, found.recall, found.decay] == expected, (case, measure)
