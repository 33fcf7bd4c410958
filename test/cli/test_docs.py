from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from drift_ros.cli.docs import docs, pages
from drift_ros.errors import OutputError
from drift_ros.node_settings import NodeSettings
from drift_ros.settings import build, fields, flatten, read_yaml

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize('name', list(pages()))
def test_what_is_committed_is_up_to_date(name: str) -> None:
    assert (ROOT / name).read_text() == pages()[name], 'run `make docs` and commit'


def test_the_parameters_file_holds_every_default(tmp_path: Path) -> None:
    file = tmp_path / 'tracker.yaml'
    file.write_text(pages()['config/tracker.yaml'])
    assert list(yaml.safe_load(file.read_text())) == ['/**']
    values = read_yaml(file)
    assert values == flatten(NodeSettings())
    assert build(NodeSettings, values) == NodeSettings()


def test_every_parameter_is_on_the_page() -> None:
    page = pages()['docs/reference/parameters.md']
    for name, info in fields(NodeSettings):
        assert f'| `{name}`' in page
        assert info.description


def test_check_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / 'package.xml').touch()
    with pytest.raises(OutputError):
        docs(tmp_path, check=True)
    assert [p.name for p in tmp_path.iterdir()] == ['package.xml']
    docs(tmp_path)
    docs(tmp_path, check=True)


def test_elsewhere_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match='--root'):
        docs(tmp_path)
