"""`smartgrid up --prometheus`: what it configures, and what it says where it cannot."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from monitoring import queries
from smartgrid.cli.prometheus import Prometheus, PrometheusError, Target, command, write_configuration
from support.http import answers
from support.ports import free_port
from support.processes import environment, wait_until

TARGETS = [Target("substation", "substation-0", 8082), Target("gateway", "gateway", 8080)]


def test_every_process_becomes_a_target_with_the_labels_that_kubernetes_gives(tmp_path: Path) -> None:
    write_configuration(tmp_path, TARGETS)

    first, second = json.loads((tmp_path / "targets.json").read_text())
    assert first["targets"] == ["127.0.0.1:8082"]
    assert first["labels"] == {"job": "substation", "pod": "substation-0", "namespace": "local"}
    assert second["labels"]["job"] == "gateway"


def test_the_rules_are_those_of_the_chart(tmp_path: Path) -> None:
    write_configuration(tmp_path, TARGETS)

    assert (tmp_path / "rules.yaml").read_text() == queries.RULES.read_text()
    assert yaml.safe_load((tmp_path / "prometheus.yaml").read_text())["rule_files"] == ["rules.yaml"]


@pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="prometheus is not installed; on Debian: apt-get install prometheus"
)
def test_it_runs_and_ends(tmp_path: Path) -> None:
    prometheus = Prometheus(tmp_path, TARGETS, free_port())
    prometheus.start()
    try:
        wait_until(lambda: answers(f"{prometheus.url}/-/ready"), 30, "Prometheus is ready")
    finally:
        prometheus.stop()

    assert not answers(f"{prometheus.url}/-/ready")


def test_without_the_program_it_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(PrometheusError, match="needs the program prometheus; on Debian: apt-get install prometheus"):
        command(tmp_path, TARGETS, 9090)


def test_the_command_line_refuses_in_one_sentence(tmp_path: Path) -> None:
    ports = [f"--{name}-port={free_port()}" for name in ("gateway", "balancer", "substation")]
    done = subprocess.run(
        [sys.executable, "-m", "smartgrid", "up", "--prometheus", "--substations=1", f"--data-dir={tmp_path}", *ports],
        env={**environment({}), "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "apt-get install prometheus" in done.stderr
