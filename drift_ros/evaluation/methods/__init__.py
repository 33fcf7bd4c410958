"""What tracks in an evaluation: our tracker, baselines, and trackers from elsewhere."""

from drift_ros.evaluation.methods.flow import Flow, FlowSettings
from drift_ros.evaluation.methods.ours import Ours
from drift_ros.evaluation.methods.plug_in import PlugIn
from drift_ros.evaluation.protocols import MethodSpec

__all__ = ['Flow', 'FlowSettings', 'MethodSpec', 'Ours', 'PlugIn']
