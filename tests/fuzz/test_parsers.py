"""A short run of the coverage-guided fuzzer; `make fuzz-parsers` gives each parser 100,000 inputs."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("atheris", reason="there is none for this machine")

from fuzz.parsers import run

INPUTS = 2000


@pytest.mark.parametrize("name", ["tokens", "requests", "pages-of-members", "ocpp"])
def test_nothing_but_the_promised_refusals_comes_out(name: str, tmp_path: Path) -> None:
    done = run(name, INPUTS, tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / name).iterdir())) > 1, "no input led anywhere new"
