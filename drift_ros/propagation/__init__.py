"""Descriptors and labels of remembered frames in, labels of the current frame out. Needs torch
only.
"""

from drift_ros.propagation.affinity import Affinity, FeatureAffinity
from drift_ros.propagation.kernel import propagate, unit
from drift_ros.propagation.memory import Memory
from drift_ros.propagation.propagator import Propagator, Readout
from drift_ros.propagation.readout import confidences, one_hot, read_labels, resize_nearest
from drift_ros.propagation.reduction import ChannelReduction

__all__ = [
    'Affinity',
    'ChannelReduction',
    'FeatureAffinity',
    'Memory',
    'Propagator',
    'Readout',
    'confidences',
    'one_hot',
    'propagate',
    'read_labels',
    'resize_nearest',
    'unit',
]
