"""Zero-shot object tracking with the motion knowledge of diffusion models.

This package holds the library; building it with ROS 2 adds the generated interfaces
`drift_ros.msg` and `drift_ros.srv` to it. Importing it costs nothing: the rooms import torch and
friends when they are used.
"""

from pkgutil import extend_path

__path__ = extend_path(__path__, __name__)  # joins the source tree and the generated interfaces
__version__ = '0.1.0'
