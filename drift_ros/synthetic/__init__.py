"""Rendered, labelled video without assets: demo, tests, benchmarks and training data.

A scene is made by name with `create` (`names` lists them) and iterated for its frames, each with
its exact truth:

    for frame in synthetic.create('crossing'):
        frame.image, frame.labels, frame.depth, frame.objects

A further scene is one more file in `scenes/` with a function `SceneSettings -> Scene`, named in its
registry.
"""

from drift_ros.synthetic.scene import Scene
from drift_ros.synthetic.scenes import create, names
from drift_ros.synthetic.settings import SceneSettings
from drift_ros.synthetic.types import Camera, ObjectTruth, SyntheticFrame

__all__ = [
    'Camera',
    'ObjectTruth',
    'Scene',
    'SceneSettings',
    'SyntheticFrame',
    'create',
    'names',
]
