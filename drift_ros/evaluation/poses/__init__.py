"""Poses: places of joints are propagated as soft labels and read out as points."""

from drift_ros.evaluation.poses.pose_sequence import Joints, PoseSequence
from drift_ros.evaluation.poses.tracking import PoseTracker

__all__ = ['Joints', 'PoseSequence', 'PoseTracker']
