"""Poses: places of joints are propagated as soft labels and read out as points."""

from drift_ros.evaluation.poses.tracking import PoseTracker
from drift_ros.evaluation.poses.types import Joints, PoseSequence

__all__ = ['Joints', 'PoseSequence', 'PoseTracker']
