"""The audit's lines: written, bounded, and never in anybody's way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from smartgrid.runtime import audit as audit_module
from smartgrid.runtime.audit import Audit
from support.processes import wait_until


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_each_line_is_json_with_its_stream_its_time_and_its_service(tmp_path: Path) -> None:
    audit = Audit("gateway", str(tmp_path / "audit"))

    audit.line({"who": "me", "did": "charge"})

    assert audit.flush(10)
    (line,) = lines(tmp_path / "audit")
    assert line.pop("time")
    assert line == {"stream": "audit", "service": "gateway", "who": "me", "did": "charge"}


def test_lines_of_many_threads_are_all_there_and_whole(tmp_path: Path) -> None:
    audit = Audit("gateway", str(tmp_path / "audit"))
    threads = [threading.Thread(target=lambda: [audit.line({"n": n}) for n in range(500)]) for _ in range(8)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert audit.flush(10)
    assert len(lines(tmp_path / "audit")) == 4000
    wait_until(lambda: audit.lines == 4000)


def test_a_file_that_was_renamed_is_begun_anew(tmp_path: Path) -> None:
    audit, path = Audit("gateway", str(tmp_path / "audit")), tmp_path / "audit"
    audit.line({"n": 1})
    assert audit.flush(10)

    path.rename(tmp_path / "audit.1")
    audit.line({"n": 2})

    assert audit.flush(10)
    assert [line["n"] for line in lines(path)] == [2]
    assert [line["n"] for line in lines(tmp_path / "audit.1")] == [1]


def test_a_full_disk_loses_lines_and_counts_them() -> None:
    audit = Audit("gateway", "/dev/full")

    audit.line({"n": 1})

    assert audit.flush(10)
    wait_until(lambda: audit.lines_lost == 1)
    assert "audit_lines_lost_total 1" in audit.metrics()


def test_nobody_waits_for_a_reader_that_does_not_read_and_what_waits_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_module, "MAX_WAITING", 100)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    audit = Audit("gateway", str(pipe))

    for _ in range(2000):  # a pipe holds 64 KiB
        audit.line({"filling": "x" * 1000})

    assert audit.lines_lost > 0
    assert not audit.flush(0.05)
    os.close(reader)
    assert audit.flush(10)


def test_a_line_that_is_too_long_is_lost() -> None:
    audit = Audit("gateway", os.devnull)

    audit.line({"filling": "x" * 5000})

    assert audit.lines_lost == 1


def test_a_process_that_ends_writes_what_waits(tmp_path: Path) -> None:
    program = f"from smartgrid.runtime.audit import Audit; a = Audit('x', '{tmp_path / 'audit'}')\n"
    program += "for n in range(1000): a.line({'n': n})"

    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)

    assert len(lines(tmp_path / "audit")) == 1000


def test_a_place_that_cannot_be_written_to_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        Audit("gateway", str(tmp_path / "absent" / "audit"))
