"""Folders of model weights as the Hugging Face hub publishes them: found, checked, loaded."""

from drift_ros.features.checkpoints.files import WeightFiles, weight_files
from drift_ros.features.checkpoints.locate import locate
from drift_ros.features.checkpoints.memory import require_memory
from drift_ros.features.checkpoints.parts import (
    load_alphas_cumprod,
    load_part,
    read_config,
    read_numbers,
    require_class,
)

__all__ = [
    'WeightFiles',
    'load_alphas_cumprod',
    'load_part',
    'locate',
    'read_config',
    'read_numbers',
    'require_class',
    'require_memory',
    'weight_files',
]
