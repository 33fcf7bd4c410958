"""Which segmenter the settings give."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from drift_ros.errors import CheckpointError
from drift_ros.prompts import create_segmenter
from drift_ros.settings import PromptSettings

CPU = torch.device('cpu')


def create(**settings):
    return create_segmenter(PromptSettings(**settings), CPU)


def test_without_a_checkpoint_it_is_grabcut():
    assert create().name == 'grabcut'
    assert create(backend='grabcut', checkpoint='/nowhere').name == 'grabcut'


@pytest.mark.parametrize('backend', ['segment-anything', 'transformers'])
def test_backends_with_weights_ask_for_them(backend):
    with pytest.raises(CheckpointError, match=r'prompts\.checkpoint'):
        create(backend=backend)


def test_auto_goes_by_the_checkpoint(tmp_path):
    with pytest.raises(CheckpointError, match=r'no config\.json'):
        create(checkpoint=str(tmp_path))
    with pytest.raises(CheckpointError, match='Segment Anything checkpoint'):
        create(checkpoint=str(tmp_path / 'sam.pth'))
    with pytest.raises(CheckpointError):
        create(checkpoint='facebook/sam-vit-base')


def test_importing_the_room_is_cheap():
    heavy = {'torch', 'transformers', 'segment_anything', 'cv2'}
    code = f'import sys, drift_ros.prompts; print({heavy} & set(sys.modules))'
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == 'set()'
