"""What a run was made with: versions and machine."""

from __future__ import annotations

import os
import platform
import sys
from collections import Counter
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import drift_ros

PACKAGES = (
    'torch',
    'numpy',
    'opencv-python-headless',
    'diffusers',
    'transformers',
    'rosbags',
    'rclpy',
)


def versions() -> dict[str, str]:
    """Name -> version of this package, Python, and what is installed of the main libraries."""
    found = {'drift_ros': drift_ros.__version__, 'python': platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    for variable in ('ROS_DISTRO', 'RMW_IMPLEMENTATION'):
        if os.environ.get(variable):
            found[variable] = os.environ[variable]
    return found


def machine() -> dict[str, str]:
    """Processor, cores that may be used, memory, system, and GPUs that torch sees."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()
    facts = {
        'processor': _processor(),
        'cores': str(cores),
        'system': f'{platform.system()} {platform.release()}',
    }
    if hasattr(os, 'sysconf') and 'SC_PHYS_PAGES' in os.sysconf_names:
        memory = os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')
        facts['memory'] = f'{memory / 2**30:.1f} GiB'
    if gpus := _gpus():
        facts['GPU'] = gpus
    return facts


def _gpus() -> str:
    """Names and memory, where torch is loaded and sees any."""
    torch = sys.modules.get('torch')
    if torch is None or not torch.cuda.is_available():
        return ''
    found = map(torch.cuda.get_device_properties, range(torch.cuda.device_count()))
    named = Counter(f'{gpu.name}, {gpu.total_memory / 2**30:.0f} GiB' for gpu in found)
    return '; '.join(f'{count} x {name}' if count > 1 else name for name, count in named.items())


def _processor() -> str:
    try:
        for line in Path('/proc/cpuinfo').read_text(encoding='utf-8').splitlines():
            if line.startswith('model name'):
                return line.partition(':')[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
