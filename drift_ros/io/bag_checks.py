"""What the library rosbags does not check of a bag."""

from __future__ import annotations

from typing import Any

from rosbags.rosbag2 import metadata, reader
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from drift_ros.documents import DocumentError, check_yaml

MAX_VALUES = 1_000_000  # of a bag that is split into tens of thousands of files


class BoundedYAML(YAML):
    """The YAML parser of rosbags, for texts within our limits alone."""

    def load(self, stream: Any) -> Any:
        """The content of a text.

        Raises:
            YAMLError: it is no YAML, or goes beyond the limits of drift_ros.documents.
        """
        try:
            check_yaml(stream, MAX_VALUES)
        except DocumentError as error:
            raise YAMLError(str(error)) from None
        return super().load(stream)


def limit_metadata() -> None:
    """Have rosbags read the YAML in metadata.yaml and in the channels of a bag within limits."""
    modules: tuple[Any, ...] = (metadata, reader)
    for module in modules:
        module.YAML = BoundedYAML
