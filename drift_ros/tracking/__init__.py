"""The streaming tracker and the types that go in and out of it. No ROS."""

from drift_ros.tracking.tracker import Tracker
from drift_ros.tracking.types import Frame, Preview, Roi, Stats, TrackedObject, TrackingResult

__all__ = ['Frame', 'Preview', 'Roi', 'Stats', 'TrackedObject', 'Tracker', 'TrackingResult']
