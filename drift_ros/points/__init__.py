"""Single points, followed by the descriptors that masks are propagated by (DiffTrack)."""

from drift_ros.points.tracker import PointTracker

__all__ = ['PointTracker']
