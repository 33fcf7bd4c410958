"""The streaming tracker and the types that go in and out of it. No ROS."""

from drift_ros.structures import (
    FailedFrames,
    Frame,
    Preview,
    Roi,
    Stats,
    TrackedObject,
    TrackerOutput,
    TrackingResult,
)
from drift_ros.tracking.tracker import Tracker, Upcoming

__all__ = [
    'FailedFrames',
    'Frame',
    'Preview',
    'Roi',
    'Stats',
    'TrackedObject',
    'Tracker',
    'TrackerOutput',
    'TrackingResult',
    'Upcoming',
]
