"""The streaming tracker and the types that go in and out of it. No ROS."""

from drift_ros.structures import Frame, Preview, Roi, Stats, TrackedObject, TrackingResult
from drift_ros.tracking.tracker import Tracker

__all__ = ['Frame', 'Preview', 'Roi', 'Stats', 'TrackedObject', 'Tracker', 'TrackingResult']
