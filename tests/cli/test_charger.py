"""`smartgrid charger probe`: what is wrong with how it is called. What it finds out is in tests/edge."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from smartgrid.cli.charger import command
from support.ports import free_port


def probe(*arguments: str) -> Result:
    return CliRunner().invoke(command, ["probe", "substation-0", "CP1", *arguments])


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--url", "ftp://x"], "'ftp://x' must be a URL"),
        (["--connector", "0"], "0 is not in the range"),
        (["--token-file", "/no/such"], "--token-file /no/such cannot be read"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(arguments: list[str], part: str) -> None:
    found = probe(*arguments)
    assert (found.exit_code, len(found.output.splitlines())) == (2, 1)
    assert part in found.output


def test_a_file_that_is_no_table_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    (tmp_path / "quirks.json").write_text('[{"name": "x"}]')
    found = probe("--write", str(tmp_path / "quirks.json"))
    assert found.exit_code == 2
    assert "is no table of quirks" in found.output


def test_an_edge_that_is_not_there_is_named() -> None:
    found = probe("--url", f"http://127.0.0.1:{free_port()}")
    assert found.exit_code == 2
    assert "cannot be reached" in found.output
