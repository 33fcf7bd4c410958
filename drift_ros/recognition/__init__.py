"""Whether a view shows a target that was seen before, at which scale, and where: by a small network
that compares two views of an image.

It sees pixels alone, so it serves every extractor.
"""

from drift_ros.recognition.recognizer import Recognizer, Sighting
from drift_ros.recognition.views import View

__all__ = ['Recognizer', 'Sighting', 'View']
