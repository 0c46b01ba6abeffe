"""Reports are written whole or not at all, and what cannot be written is found before the run."""

from pathlib import Path

import pytest

from smartgrid.loadtest.files import UnwritableError, check_writable, write_whole


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text("old")
    write_whole(path, "new")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_everybody_may_read_a_report(tmp_path: Path) -> None:
    write_whole(tmp_path / "report.json", "{}")
    assert (tmp_path / "report.json").stat().st_mode & 0o777 == 0o644


def test_the_check_makes_the_folder_but_not_the_file(tmp_path: Path) -> None:
    check_writable(tmp_path / "results" / "today" / "report.json")
    assert list((tmp_path / "results").rglob("*")) == [tmp_path / "results" / "today"]


def test_the_check_leaves_an_old_report_alone(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text("old")
    check_writable(tmp_path / "report.json")
    assert (tmp_path / "report.json").read_text() == "old"


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnwritableError, match=r"^Cannot write .*: it is a folder\.$"):
        check_writable(tmp_path)


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("")
    with pytest.raises(UnwritableError, match=r"^Cannot write .*report.json: .*\.$"):
        check_writable(tmp_path / "results" / "report.json")


def test_a_folder_that_vanished_during_the_run_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UnwritableError, match=r"^Cannot write .*: No such file or directory\.$"):
        write_whole(tmp_path / "gone" / "report.json", "{}")
