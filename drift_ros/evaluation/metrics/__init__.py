"""How well label maps match the truth. Pure functions of arrays."""

from drift_ros.evaluation.metrics.following import follower, ious, switches
from drift_ros.evaluation.metrics.frames import FrameScore, score_frame
from drift_ros.evaluation.metrics.masks import boundary_f, jaccard, tolerance_px
from drift_ros.evaluation.metrics.sequences import Scorer
from drift_ros.evaluation.metrics.statistics import Statistics, statistics

__all__ = [
    'FrameScore',
    'Scorer',
    'Statistics',
    'boundary_f',
    'follower',
    'ious',
    'jaccard',
    'score_frame',
    'statistics',
    'switches',
    'tolerance_px',
]
