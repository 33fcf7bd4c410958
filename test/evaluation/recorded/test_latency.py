"""Where the time of frames went, from recorded diagnostics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from drift_ros.errors import SourceError
from drift_ros.evaluation.recorded import latency

STORE = get_typestore(Stores.ROS2_JAZZY)
ARRAY = 'diagnostic_msgs/msg/DiagnosticArray'


def record(path: Path, *reports: dict[str, dict[str, str]]) -> Path:
    """A bag with one message per report: name of the status -> values."""
    kinds = STORE.types
    with Writer(path, version=9, storage_plugin=StoragePlugin.SQLITE3) as bag:
        connection = bag.add_connection('/diagnostics', ARRAY, typestore=STORE)
        for second, report in enumerate(reports):
            stamp = kinds['builtin_interfaces/msg/Time'](second, 0)
            status = [
                kinds['diagnostic_msgs/msg/DiagnosticStatus'](
                    0,
                    name,
                    '',
                    '',
                    [kinds['diagnostic_msgs/msg/KeyValue'](*v) for v in said.items()],
                )
                for name, said in report.items()
            ]
            message = kinds[ARRAY](kinds['std_msgs/msg/Header'](stamp, ''), status)
            bag.write(connection, second * 10**9, STORE.serialize_cdr(message, ARRAY))
    return path


def test_stages_in_the_course_of_time(tmp_path: Path) -> None:
    other = {'battery': {'charge': '80'}}
    first = {'stage: features [ms]': '100.0', 'stage: queue [ms]': '10.0', 'rate in [Hz]': '12.00'}
    third = {'stage: features [ms]': '140.0', 'stage: queue [ms]': '30.0', 'rate in [Hz]': '11.00'}
    name = '/tracker: tracking left'
    silent = {name: {'rate in [Hz]': '0.00', 'latency p50 [ms]': '?'}}  # nothing was published
    bag = record(tmp_path / 'bag', {name: first} | other, silent, {name: third})
    cameras = latency.read(bag)
    assert list(cameras) == [name]
    reports = cameras[name]
    assert reports.times == [0, 1, 2]
    assert reports.means == {'features': 120.0, 'queue': 20.0}
    np.testing.assert_array_equal(reports.stages['queue'], [10, np.nan, 30])
    page = latency.page(cameras, '<bag>')
    assert name in page
    assert '&lt;bag&gt;' in page
    assert '86%' in page  # features, of 140 ms


def test_a_bag_without_diagnostics_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError):
        latency.read(record(tmp_path / 'bag', {'battery': {'charge': '80'}}))
