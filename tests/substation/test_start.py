"""A substation that cannot start says in one sentence why, and ends with code 2."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from click.testing import CliRunner

from smartgrid.cli import main
from support.books import Books, SetClock
from support.ports import free_port
from support.processes import Process, run_to_end


def refusal(**settings: object) -> str:
    """The one sentence of a start that fails."""
    code, said = run_to_end("substation", **{"port": free_port(), **settings})
    assert code == 2, said
    return the_sentence(said)


def refusal_of_setting(monkeypatch: pytest.MonkeyPatch, **settings: str) -> str:
    """The same in this process, for what is found before anything is begun."""
    for name, value in settings.items():
        monkeypatch.setenv(f"SMARTGRID_{name.upper()}", value)
    result = CliRunner().invoke(main, ["substation"])
    assert result.exit_code == 2
    return the_sentence(result.stderr)


def the_sentence(said: str) -> str:
    assert said.startswith("Error: ")
    assert said.count("\n") == 1
    return said.removeprefix("Error: ").strip()


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("port", "0"),
        ("port", "65536"),
        ("port", "http"),
        ("capacity_kw", "-1"),
        ("capacity_kw", "nan"),
        ("capacity_kw", "inf"),
        ("capacity_kw", "lots"),
        ("time_scale", "0"),
        ("time_scale", "nan"),
        ("time_scale", "1e9"),
        ("threads", "1"),
        ("drain_timeout_s", "0"),
        ("log_level", "loud"),
        ("name", "North.West"),
        ("name", "UPPER"),
    ],
)
def test_a_bad_setting_is_named_with_its_value(monkeypatch: pytest.MonkeyPatch, setting: str, value: str) -> None:
    said = refusal_of_setting(monkeypatch, **{setting: value})
    assert said.startswith(f"SMARTGRID_{setting.upper()}='{value}': ")


def test_all_bad_settings_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    said = refusal_of_setting(monkeypatch, capacity_kw="x", time_scale="y")
    assert "SMARTGRID_CAPACITY_KW='x'" in said
    assert "SMARTGRID_TIME_SCALE='y'" in said


def test_a_port_in_use_is_said_so(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert refusal(port=port, data_dir=tmp_path) == f"cannot listen on 127.0.0.1:{port}: the port is in use"
    assert not (tmp_path / "substation.db").exists()


def test_a_folder_in_use_is_said_so(shared: Process) -> None:
    folder = shared.settings["data_dir"]
    assert refusal(data_dir=folder) == f"the data directory {folder} is in use by another process; give each its own"
    assert shared.call("GET", "/health").status == 200


def test_a_damaged_file_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    Books(tmp_path, SetClock()).close()
    path = tmp_path / "substation.db"
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 8192)
    before = path.read_bytes()
    said = refusal(data_dir=tmp_path)
    assert said.startswith(f"{path} is damaged")
    assert said.endswith("nothing was changed. Restore it from a backup, or move it away to begin anew")
    assert path.read_bytes() == before
