"""The library and the `drift` command without ROS: `pip install .`

On a ROS 2 machine and in `make env` the package is built by colcon from package.xml and
CMakeLists.txt instead. Exact versions for CI are in requirements/lock.txt.
"""

import platform
from pathlib import Path

from setuptools import Extension, find_packages, setup

ROOT = Path(__file__).parent
# Data folders at the repository root that the library reads at run time (drift_ros.resources).
SHARED = {'msg': ['*.msg'], 'srv': ['*.srv'], 'config': ['**/*'], 'resource': ['**/*']}
present = {name: patterns for name, patterns in SHARED.items() if (ROOT / name).is_dir()}

# The search of src/topk.cpp, once per instruction set; what cannot be compiled is left out.
INSTRUCTIONS: dict[str, list[str]] = {'baseline': []}
if platform.machine() in ('x86_64', 'AMD64'):
    INSTRUCTIONS |= {'avx2': ['-mavx2', '-mfma'], 'avx512': ['-mavx512f', '-mfma']}

test = [
    'hypothesis>=6.100',
    'pytest>=8.0',
    'pytest-rerunfailures>=14.0',
    'pytest-timeout>=2.3',
    'pytest-xdist>=3.5',
    'scipy>=1.8',
]

setup(
    name='drift-ros',
    version='0.1.0',
    description='Object tracking for robots with the features of video diffusion models (ROS 2)',
    long_description='Object tracking for robots with the features of video diffusion models.',
    license='Apache-2.0',
    python_requires='>=3.10',
    packages=find_packages(include=['drift_ros', 'drift_ros.*'])
    + [f'drift_ros.share.{name}' for name in present],
    package_dir={f'drift_ros.share.{name}': name for name in present},
    package_data={f'drift_ros.share.{name}': patterns for name, patterns in present.items()}
    | {'drift_ros': ['**/*.html', '**/*.j2', '**/*.css', '**/*.js', 'py.typed']},
    ext_modules=[
        Extension(
            f'drift_ros.propagation._topk_{level}',
            ['src/topk.cpp'],
            extra_compile_args=['-std=c++17', '-O3', *options],
            extra_link_args=['-pthread'],
            optional=True,
        )
        for level, options in INSTRUCTIONS.items()
    ],
    install_requires=[
        'accelerate>=0.31',
        'av>=12.0',
        'diffusers>=0.35',
        'huggingface_hub>=0.34',
        'jinja2>=3.0',
        'matplotlib>=3.7',
        'numpy>=1.21.5',
        'opencv-python-headless>=4.5.4',
        'pillow>=9.0',
        'pydantic>=2.7',
        'pyyaml>=5.4',
        'rich>=13.7',
        'rosbags>=0.11.0',
        'safetensors>=0.4.3',
        'torch>=2.8',
        'transformers>=4.56',
        'typer>=0.12',
    ],
    extras_require={
        'jhmdb': ['scipy>=1.8'],
        'page': ['nicegui>=3.10'],
        'ray': ['ray>=2.9'],
        'rerun': ['rerun-sdk>=0.23'],
        'sam': ['segment-anything>=1.0', 'torchvision>=0.19'],
        'test': test,
        'dev': [
            *test,
            'import-linter>=2.1',
            'mypy>=1.11',
            'pre-commit>=3.7',
            'ruff>=0.6',
            'types-pyyaml',
        ],
    },
    entry_points={'console_scripts': ['drift = drift_ros.cli.main:main']},
)
