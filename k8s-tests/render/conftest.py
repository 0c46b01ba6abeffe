"""The chart as a user gets it: packaged, then rendered by the real helm. No cluster."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cluster import paths, tools
from render.charts import ROOT
from render.manifests import Chart


@pytest.fixture(scope="session")
def helm() -> Path:
    try:
        return tools.install("helm")
    except tools.NoGoError:
        found = shutil.which("helm", path=paths.search_path())
    if found is None:
        pytest.skip("rendering needs helm, or Go to build it")
    return Path(found)


@pytest.fixture(scope="session")
def chart(helm: Path, tmp_path_factory: pytest.TempPathFactory) -> Chart:
    """With the edge, off by default, so that what holds for services holds for it; test_edge.py has it off too."""
    folder = tmp_path_factory.mktemp("package")
    Chart(helm, ROOT).run("package", str(ROOT), "--destination", str(folder))
    return Chart(helm, next(folder.glob("*.tgz")), always={"edge.enabled": True})


@pytest.fixture
def with_files(helm: Path, tmp_path: Path) -> Callable[..., Chart]:
    """The chart with just these files beside it."""

    def make(**files: str) -> Chart:
        folder = tmp_path / "smart-grid"
        for name in ("Chart.yaml", "Chart.lock", "values.yaml", "values.schema.json", ".helmignore"):
            folder.mkdir(exist_ok=True)
            shutil.copy(ROOT / name, folder)
        for name in ("templates", "charts"):
            shutil.copytree(ROOT / name, folder / name)
        for path, content in files.items():
            file = folder / path
            file.parent.mkdir(exist_ok=True)
            file.write_text(content)
        return Chart(helm, folder)

    return make
