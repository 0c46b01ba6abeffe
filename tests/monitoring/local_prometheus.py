"""A real Prometheus with the project's own configuration and rules, only quicker."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

from monitoring import queries
from smartgrid.cli import prometheus
from support.http import call
from support.ports import free_port
from support.processes import Process, Started, wait_until


class LocalPrometheus(Started):
    """Scrapes these processes each second; windows of minutes are seconds, and alerts fire at once."""

    def __init__(self, folder: Path, targets: dict[str, Process]) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._log_path = folder / "log"
        self._targets = len(targets)
        named = [prometheus.Target(each.service, name, each.port) for name, each in targets.items()]
        self._command = prometheus.command(folder, named, port)
        _hasten(folder)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        with self._log_path.open("wb") as log:
            self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(self._sees_all, 30, "Prometheus has scraped every process")
        return self

    def end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The vector that the expression gives now."""
        reply = call("GET", f"{self.url}/api/v1/query?{urlencode({'query': expression})}")
        assert reply.status == 200, f"{expression}: {reply.body.decode()}"
        result = reply.json()["data"]["result"]
        return result if isinstance(result, list) else [result]

    def firing(self) -> set[str]:
        """Names of the alerts that fire."""
        found = call("GET", f"{self.url}/api/v1/alerts").json()["data"]["alerts"]
        return {alert["labels"]["alertname"] for alert in found if alert["state"] == "firing"}

    def wait_firing(self, *names: str, within_s: float = 40) -> None:
        wait_until(lambda: set(names) <= self.firing(), within_s, f"{names} fire")

    def wait_quiet(self, *names: str, within_s: float = 40) -> None:
        wait_until(lambda: not set(names) & self.firing(), within_s, f"{names} have resolved")

    def _sees_all(self) -> bool:
        try:
            return len(self.query("up")) == self._targets
        except (OSError, AssertionError):
            return False


def _hasten(folder: Path) -> None:
    rules = folder / "rules.yaml"
    text = re.sub(r"for: \w+", "for: 1s", queries.shortened(rules.read_text()))
    rules.write_text(
        text.replace('edge_inbox_oldest_seconds{job="edge"} > 300', 'edge_inbox_oldest_seconds{job="edge"} > 3')
    )
    config = folder / "prometheus.yaml"
    hastened = re.sub(r"_interval: \w+", "_interval: 1500ms", config.read_text())
    config.write_text(re.sub(r"_timeout: \w+", "_timeout: 1400ms", hastened))
