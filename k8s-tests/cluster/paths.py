"""Where everything that is downloaded, built or running is kept."""

from __future__ import annotations

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("SMARTGRID_CLUSTER_HOME", Path.home() / ".cache/smart-grid/cluster"))
BIN = CACHE / "bin"
IMAGES = CACHE / "images"


def search_path() -> str:
    """PATH with the cached tools first, so that a test uses the version that this repository names."""
    return f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}"
