"""Data sets, metrics, runs over many sequences, and their reports. No ROS."""
