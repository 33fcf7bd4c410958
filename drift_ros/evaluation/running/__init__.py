"""Methods on sequences: one after the other, or on many processes; resumable."""

from drift_ros.evaluation.running.evaluate import Options, Watcher, evaluate
from drift_ros.evaluation.running.sequence import run_sequence
from drift_ros.evaluation.running.tasks import Task, run_task

__all__ = ['Options', 'Task', 'Watcher', 'evaluate', 'run_sequence', 'run_task']
