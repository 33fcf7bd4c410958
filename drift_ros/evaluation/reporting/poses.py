"""Scores of poses as entries of `results.json`: each joint stands where objects do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drift_ros.evaluation.metrics import pck
from drift_ros.evaluation.scores import PoseScore


def pose_entry(score: PoseScore) -> dict[str, Any]:
    """Measures of a sequence: means over its joints, each joint, and what it took."""
    per_joint = pck.measures([score])
    joints = {
        str(number): {
            'name': joint,
            **{name: values[number - 1] for name, values in per_joint.items()},
            'frames': len(score.scored),
        }
        for number, joint in enumerate(score.joints, 1)
    }
    return {
        **{name: pck.mean(values) for name, values in per_joint.items()},
        'objects': joints,
        'frames': score.frames,
        'size': list(score.size),
        'seconds_per_frame': None if score.seconds is None else score.seconds / score.frames,
        'memory': score.memory,
        'device_memory': score.device_memory,
        'skipped': list(score.skipped),
    }


def pose_mean(scores: Sequence[PoseScore]) -> dict[str, Any]:
    """Measures over everything: each joint over the frames of all sequences, then their mean.

    So every frame counts the same, however long its video is; that is how papers do it.
    """
    return {name: pck.mean(values) for name, values in pck.measures(scores).items()}
