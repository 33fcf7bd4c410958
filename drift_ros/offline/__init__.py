"""Offline tracking: every frame of a recording through the tracker, results into a folder."""
