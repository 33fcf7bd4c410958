"""The tests of the examples have the helpers of those of the node."""

from node_rig import tools  # noqa: F401
