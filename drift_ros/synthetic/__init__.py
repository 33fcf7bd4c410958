"""Rendered, labelled video without assets: demo, tests, benchmarks and training data.

A scene is made by name with `create` (`names` lists them) and iterated for its frames, each with
its exact truth:

    for frame in synthetic.create('crossing'):
        frame.image, frame.labels, frame.depth, frame.objects

Sets of videos, such as `kubric-similar`, come from `create_set`; endless random clips for training
from `clips`, or by number from `Clips`. docs/synthetic.md shows them.
"""

from drift_ros.synthetic.clips import Clips, clips
from drift_ros.synthetic.ground_truth import (
    Camera,
    Clip,
    ObjectTruth,
    PointTruth,
    SyntheticFrame,
    Video,
)
from drift_ros.synthetic.scenes import create, create_set, defaults, names
from drift_ros.synthetic.scenes.random_scene import random_scene
from drift_ros.synthetic.scenes.sets import VideoSet
from drift_ros.synthetic.settings import RandomSettings, SceneSettings, VideoSettings

__all__ = [
    'Camera',
    'Clip',
    'Clips',
    'ObjectTruth',
    'PointTruth',
    'RandomSettings',
    'SceneSettings',
    'SyntheticFrame',
    'Video',
    'VideoSet',
    'VideoSettings',
    'clips',
    'create',
    'create_set',
    'defaults',
    'names',
    'random_scene',
]
