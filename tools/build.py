"""Builds the package with colcon into the virtual environment, if it has to: `make build`.

The Python sources are linked, so edits count at once; new and removed files, the interfaces and the
executables need a build.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMPILED = ('CMakeLists.txt', 'package.xml', 'msg/**/*', 'srv/**/*', 'scripts/**/*', 'src/**/*')
LINKED = ('drift_ros/**/*', 'config/**/*', 'launch/**/*', 'resource/**/*')


def main() -> int:
    """Build unless the stamp says that nothing changed; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('venv', type=Path)
    venv: Path = parser.parse_args().venv.resolve()

    # The folder itself is the lock, as in make_env.py.
    fcntl.flock(os.open(venv, os.O_RDONLY), fcntl.LOCK_EX)
    stamp = venv / '.build-stamp'
    key = state((venv / '.env-stamp').read_text())
    if stamp.exists() and stamp.read_text() == key:
        return 0

    stamp.unlink(missing_ok=True)
    print('building the package with colcon', flush=True)
    command: list[str | Path] = [
        venv / 'bin' / 'python',
        '-m',
        'colcon',
        '--log-base',
        'log',
        '--log-level',
        'error',  # it warns that the prefix of the wheels has no setup files
        'build',
    ]
    command += ['--merge-install', '--symlink-install', '--install-base', venv]
    command += ['--event-handlers', 'console_stderr+', 'console_start_end-', 'summary-']
    command += ['--cmake-force-configure', '--cmake-args', '-DCMAKE_BUILD_TYPE=Release']
    command += ['-DBUILD_TESTING=OFF', f'-DPython3_EXECUTABLE={venv}/bin/python']
    status = subprocess.run(command, cwd=ROOT, env=environment(venv)).returncode
    if status == 0:
        drop_dead_links(venv)
        stamp.write_text(key)
    return status


def state(environment_stamp: str) -> str:
    """Hex digest of what the installed package depends on: contents, or names of links."""
    digest = hashlib.sha256(environment_stamp.encode())
    digest.update(Path(__file__).read_bytes())
    for path in files(COMPILED):
        digest.update(f'{path.relative_to(ROOT)}\0'.encode() + path.read_bytes())
    for path in files(LINKED):
        digest.update(f'{path.relative_to(ROOT)}\0'.encode())
    return digest.hexdigest()


def files(patterns: tuple[str, ...]) -> list[Path]:
    """Files of the tree that match, sorted, without Python's caches."""
    found = {path for pattern in patterns for path in ROOT.glob(pattern)}
    return sorted(path for path in found if path.is_file() and '__pycache__' not in path.parts)


def environment(venv: Path) -> dict[str, str]:
    """The variables under which CMake finds this ROS prefix and no other one."""
    chosen = {'AMENT_PREFIX_PATH': str(venv), 'CMAKE_PREFIX_PATH': str(venv)}
    unwanted = {'PYTHONPATH', 'COLCON_PREFIX_PATH', '_ROS_WHEELS_BOOTSTRAP_COMPLETE'}
    kept = {name: value for name, value in os.environ.items() if name not in unwanted}
    kept['PATH'] = f'{venv}/bin{os.pathsep}{kept.get("PATH", os.defpath)}'
    return kept | chosen


def drop_dead_links(venv: Path) -> None:
    """Remove the installed links whose sources are gone; CMake leaves them behind."""
    installed = [*venv.glob('lib/python3*/site-packages/drift_ros'), venv / 'share' / 'drift_ros']
    for folder in installed:
        for path in folder.rglob('*'):
            if path.is_symlink() and not path.exists():
                path.unlink()


if __name__ == '__main__':
    sys.exit(main())
