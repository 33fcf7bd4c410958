"""Makes the virtual environment that is also the ROS 2 prefix: `make env`.

Installs requirements/lock.txt with pip and repairs what the ROS wheels carry over from the
machine that built them. Needs nothing but the standard library. A stamp makes a second run free.
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
LOCK = ROOT / 'requirements' / 'lock.txt'
OLDEST, NEWEST = (3, 10), (3, 14)

# Run inside the environment: the exported CMake targets of the message wheels name include
# folders of the machine that built them, and CMake refuses a target whose folders are missing.
REPAIR = """
import pathlib, re, sys, sysconfig, numpy
baked = re.compile(r'/opt/python/cp[^;"]*?(/numpy/_?core/include|/include/python[0-9.]+)')
here = {True: numpy.get_include(), False: sysconfig.get_path('include')}
for path in pathlib.Path(sys.prefix, 'share').glob('*/cmake/*rosidl_generator_py*.cmake'):
    text = path.read_text()
    fixed = baked.sub(lambda match: here['numpy' in match[1]], text)
    if fixed != text:
        path.write_text(fixed)
"""


def main() -> int:
    """Create or update the environment; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('venv', type=Path)
    parser.add_argument('--torch-index', default='', help='extra index, e.g. for CPU builds')
    args = parser.parse_args()
    venv: Path = args.venv.resolve()

    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        print(
            f'Python 3.10 to 3.14 is needed, {sys.executable} is {sys.version.split()[0]}. '
            'Name another one: make env PYTHON=python3.12',
            file=sys.stderr,
        )
        return 1

    venv.mkdir(parents=True, exist_ok=True)
    # The folder itself is the lock: `venv --clear` empties it but keeps it.
    guard = os.open(venv, os.O_RDONLY)
    fcntl.flock(guard, fcntl.LOCK_EX)
    return update(venv, args.torch_index)


def update(venv: Path, torch_index: str) -> int:
    """Bring `venv` to the state of the lock file unless its stamp says that it is there."""
    python_key = f'{sys.implementation.cache_tag} {venv}'
    key = f'{python_key} {digest(LOCK, Path(__file__))}'
    stamp = venv / '.env-stamp'
    installed = stamp.read_text() if stamp.exists() else ''
    if installed == key:
        return 0

    python = venv / 'bin' / 'python'
    environment = {name: value for name, value in os.environ.items() if name != 'PYTHONPATH'}
    if not installed.startswith(python_key):
        print(f'making {venv} with Python {sys.version.split()[0]}', flush=True)
        base = getattr(sys, '_base_executable', sys.executable)
        subprocess.run([base, '-m', 'venv', '--clear', venv], env=environment, check=True)
        (venv / 'COLCON_IGNORE').touch()
    stamp.unlink(missing_ok=True)
    print(f'installing {LOCK.relative_to(ROOT)} (several minutes the first time)', flush=True)
    command: list[str | Path] = [
        python,
        '-m',
        'pip',
        'install',
        '-qq',
        '--disable-pip-version-check',
    ]
    command += ['--extra-index-url', torch_index] if torch_index else []
    subprocess.run([*command, '--requirement', LOCK], env=environment, check=True)
    subprocess.run([python, '-c', REPAIR], env=environment, check=True)
    stamp.write_text(key)
    return 0


def digest(*paths: Path) -> str:
    """Hex digest of the contents of `paths`."""
    return hashlib.sha256(b'\0'.join(path.read_bytes() for path in paths)).hexdigest()


if __name__ == '__main__':
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as error:
        sys.exit(f'make env failed: {error}')
