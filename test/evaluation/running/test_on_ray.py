"""Evaluations on a Ray cluster of two machines, both of them here; one is lost on the way."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from davis_folders import davis_folder

from drift_ros.errors import DeviceError, SettingsError
from drift_ros.evaluation.datasets import DataSet, open_dataset
from drift_ros.evaluation.methods import Ours, PlugIn
from drift_ros.evaluation.running import evaluate
from drift_ros.evaluation.running.on_ray import RayRunner
from drift_ros.settings import TrackerSettings, build

ray = pytest.importorskip('ray', reason='needs Ray: pip install ray')
NAMES = ('a', 'b', 'c', 'd', 'e', 'f')
PATCH = Ours(build(TrackerSettings, {'features.name': 'patch', 'features.resolution': 48}))
TIMES = ('seconds', 'memory')


@pytest.fixture(scope='module')
def cluster() -> Iterator[Any]:
    from ray.cluster_utils import Cluster

    root = Path(__file__).resolve().parents[3]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('PYTHONPATH', os.pathsep.join(map(str, (root, root / 'test' / 'helpers'))))
        patch.setenv('RAY_USAGE_STATS_ENABLED', '0')
        patch.setenv('OMP_NUM_THREADS', '1')
        head = {'num_cpus': 1, 'include_dashboard': False}
        cluster = Cluster(initialize_head=True, head_node_args=head)
        cluster.other = cluster.add_node(num_cpus=1, num_gpus=1)  # there need not be one for that
        yield cluster
        ray.shutdown()
        cluster.shutdown()


@pytest.fixture
def dataset(tmp_path) -> DataSet:
    return open_dataset('davis', davis_folder(tmp_path / 'data', NAMES, frames=8))


class Watcher:
    """Does something when the first sequences are done."""

    def __init__(self, act: Any = None, after: int = 1) -> None:
        self.act, self.after, self.names = act, after, list[str]()

    def begin(self, done: int, count: int) -> None:
        self.begun = (done, count)

    def frame(self, name: str, done: int, count: int) -> None:
        pass

    def done(self, name: str, found: object) -> None:
        self.names.append(name)
        if self.act is not None and len(self.names) == self.after:
            self.act()


def contents(out: Path) -> dict[str, Any]:
    """All results but times and memory, byte for byte."""
    found: dict[str, Any] = {}
    for file in sorted((out / 'sequences').rglob('*')):
        name = file.relative_to(out).as_posix()
        if file.name == 'score.json':
            record = json.loads(file.read_text())
            found[name] = {k: v for k, v in record.items() if k not in TIMES}
        elif file.is_file():
            found[name] = file.read_bytes()
    found['mean'] = json.loads((out / 'results.json').read_text())['mean']
    return found


def test_a_killed_process_changes_nothing(cluster, dataset, tmp_path, caplog):
    killed, spared = tmp_path / 'killed', tmp_path / 'spared'
    spared.touch()
    evaluate(dataset, PlugIn('trackers:KilledOnce', {'marker': str(spared)}), tmp_path / 'here')
    method = PlugIn('trackers:KilledOnce', {'marker': str(killed)})
    evaluate(dataset, method, tmp_path / 'there', runner=RayRunner(cluster.address, gpus=0))
    assert killed.exists()
    assert caplog.text.count('was lost; another one takes over') == 1
    assert contents(tmp_path / 'here') == contents(tmp_path / 'there')


def test_a_run_is_continued_and_bad_requests_are_told(cluster, dataset, tmp_path):
    def stop() -> None:
        raise KeyboardInterrupt

    out, runner = tmp_path / 'out', RayRunner(cluster.address, gpus=0)
    with pytest.raises(KeyboardInterrupt):
        evaluate(dataset, PATCH, out, watcher=Watcher(stop, after=2), runner=runner)
    again = Watcher()
    evaluate(dataset, PATCH, out, watcher=again, runner=runner)
    assert again.begun == (2, 6) and len(again.names) == 4
    evaluate(dataset, PATCH, tmp_path / 'here')
    assert contents(out) == contents(tmp_path / 'here')

    with pytest.raises(DeviceError, match='2 GPUs'):
        evaluate(dataset, PATCH, tmp_path / 'a', runner=RayRunner(cluster.address, gpus=2))
    with pytest.raises(SettingsError, match='nowhere'):
        evaluate(dataset, PlugIn('nowhere:Nobody'), tmp_path / 'b', runner=runner)
    dies = PlugIn('trackers:KilledOnce', {'marker': '/nowhere/at/all'})
    record = evaluate(dataset, dies, tmp_path / 'c', runner=runner)
    assert 'FileNotFoundError' in record['refused']['a']  # of the method, not of the worker


def test_workers_are_placed_by_gpus(cluster, dataset, tmp_path):
    method = PlugIn('trackers:OnFirstGpu', {'device': 'auto'})
    for gpus in (None, 1, 0.5):
        out = tmp_path / f'{gpus}'
        record = evaluate(dataset, method, out, runner=RayRunner(cluster.address, gpus=gpus))
        assert record['count'] == [6, 6], record['refused']


def test_a_lost_machine_changes_nothing(cluster, dataset, tmp_path, caplog):  # the last one
    evaluate(dataset, PATCH, tmp_path / 'here')
    watcher = Watcher(lambda: cluster.remove_node(cluster.other, allow_graceful=False))
    evaluate(
        dataset,
        PATCH,
        tmp_path / 'there',
        watcher=watcher,
        runner=RayRunner(cluster.address, gpus=0),
    )
    assert sorted(watcher.names) == sorted(NAMES) and 'was lost' in caplog.text
    here, there = contents(tmp_path / 'here'), contents(tmp_path / 'there')
    assert here == there
    assert sum(name.endswith('.png') for name in here) == 6 * (8 + 1)


def test_a_cluster_that_does_not_answer_is_told(dataset, tmp_path):
    with pytest.raises(DeviceError, match=r'127\.0\.0\.1:1'):
        evaluate(dataset, PATCH, tmp_path / 'out', runner=RayRunner('127.0.0.1:1'))
