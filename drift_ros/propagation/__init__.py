"""Descriptors and labels of remembered frames in, labels of the current frame out. Needs torch
only.
"""

from drift_ros.propagation.affinity import (
    Affinity,
    AttentionAffinity,
    FeatureAffinity,
    create_affinity,
)
from drift_ros.propagation.attention import attend, spread
from drift_ros.propagation.kernel import propagate, unit
from drift_ros.propagation.memory import Memory
from drift_ros.propagation.propagator import Propagator
from drift_ros.propagation.readout import (
    confidences,
    corrected,
    one_hot,
    read_labels,
    resize_nearest,
)
from drift_ros.propagation.reduction import ChannelReduction

__all__ = [
    'Affinity',
    'AttentionAffinity',
    'ChannelReduction',
    'FeatureAffinity',
    'Memory',
    'Propagator',
    'attend',
    'confidences',
    'corrected',
    'create_affinity',
    'one_hot',
    'propagate',
    'read_labels',
    'resize_nearest',
    'spread',
    'unit',
]
