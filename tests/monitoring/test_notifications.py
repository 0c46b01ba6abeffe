"""The example of who is told of what: a real Alertmanager takes it, and a real alert gets to its receiver."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
import yaml
from grafana_foundation_sdk.models.alerting import ContactPoint

from monitoring import queries
from support.http import call
from support.ports import free_port
from support.processes import wait_until

VALUES: dict[str, Any] = yaml.safe_load((queries.ROOT / "monitoring" / "notifications.yaml").read_text())
CONFIG = VALUES["alertmanager"]["config"]
SEVERITIES = {rule["alert"]: rule["labels"]["severity"] for rule in queries.alerts()}
EXPECTED = {"critical": "pager", "warning": "channel"}
ALERTMANAGER = shutil.which("alertmanager") or shutil.which("prometheus-alertmanager")
needs_alertmanager = pytest.mark.skipif(
    ALERTMANAGER is None or shutil.which("amtool") is None,
    reason="alertmanager is not installed; on Debian: apt-get install prometheus-alertmanager",
)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "alertmanager.yml"
    path.write_text(yaml.safe_dump(CONFIG))
    return path


def amtool(*arguments: object) -> str:
    done = subprocess.run(["amtool", *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


@needs_alertmanager
def test_alertmanager_takes_it(config: Path) -> None:
    assert "SUCCESS" in amtool("check-config", config)


@needs_alertmanager
@pytest.mark.parametrize("name", SEVERITIES)
def test_an_alert_goes_to_whom_its_severity_says(config: Path, name: str) -> None:
    severity = SEVERITIES[name]
    labels = (f"alertname={name}", f"severity={severity}", "namespace=grid")
    assert amtool("config", "routes", "test", f"--config.file={config}", *labels) == EXPECTED[severity]


@needs_alertmanager
def test_what_fires_gets_to_its_receiver_and_what_it_explains_does_not(tmp_path: Path) -> None:
    with receiving() as (url, told), alertmanager(tmp_path, url) as base:
        away = {"alertname": "SmartGridServiceUnavailable", "severity": "critical", "job": "gateway"}
        down = {"alertname": "SmartGridInstanceDown", "severity": "warning", "job": "gateway", "pod": "gateway-x"}
        other = {"alertname": "SmartGridWaitsLong", "severity": "warning", "namespace": "grid"}
        sent = [{"labels": labels, "annotations": {"summary": "It is so."}} for labels in (away, down, other)]
        assert call("POST", f"{base}/api/v2/alerts", json=sent).status == 200

        wait_until(lambda: len(told) >= 2, 60, "two are told of")
    assert {(path, name) for path, name in told} == {
        ("/pager", "SmartGridServiceUnavailable"),
        ("/channel", "SmartGridWaitsLong"),
    }


def test_grafana_has_the_same_receivers_and_routes() -> None:
    alerting = VALUES["grafana"]["alerting"]
    points = {point["name"]: point for point in alerting["contactpoints.yaml"]["contactPoints"]}
    (policy,) = alerting["policies.yaml"]["policies"]
    assert set(points) == {each["name"] for each in CONFIG["receivers"]} - {"null"}
    assert policy["receiver"] == CONFIG["route"]["receiver"]
    assert [(each["receiver"], each["object_matchers"]) for each in policy["routes"]] == [
        ("pager", [["severity", "=", "critical"]])
    ]
    for name in ("group_by", "group_wait", "group_interval", "repeat_interval"):
        assert policy[name] == CONFIG["route"][name]


def test_grafana_knows_each_kind_of_receiver() -> None:
    kinds = {word for each in get_args(get_type_hints(ContactPoint)["type_val"]) for word in get_args(each) or (each,)}
    points = VALUES["grafana"]["alerting"]["contactpoints.yaml"]["contactPoints"]
    assert {receiver["type"] for point in points for receiver in point["receivers"]} <= kinds


def test_secrets_are_in_a_secret() -> None:
    (secret,) = VALUES["alertmanager"]["alertmanagerSpec"]["secrets"]
    assert VALUES["grafana"]["envFromSecret"] == secret
    text = json.dumps(CONFIG)
    for key in ("SLACK_WEBHOOK_URL", "PAGERDUTY_ROUTING_KEY"):
        assert f"/etc/alertmanager/secrets/{secret}/{key}" in text
        assert f"${{{key}}}" in json.dumps(VALUES["grafana"])


@contextmanager
def receiving() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """A receiver: its URL, and the path and the name of each alert that it was told of."""
    told: list[tuple[str, str]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            told.extend((self.path, each["labels"]["alertname"]) for each in body["alerts"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", told
    server.shutdown()
    server.server_close()


@contextmanager
def alertmanager(folder: Path, receiver: str) -> Iterator[str]:
    """One with the example's routes, which tells at once, and whose receivers are all at this URL."""
    config = json.loads(json.dumps(CONFIG))
    config["route"]["group_wait"] = "1s"
    config["receivers"] = [
        {"name": each["name"], "webhook_configs": [{"url": f"{receiver}/{each['name']}"}]}
        for each in config["receivers"]
    ]
    path = folder / "alertmanager.yml"
    path.write_text(yaml.safe_dump(config))
    base = f"http://127.0.0.1:{free_port()}"
    command = [
        *(ALERTMANAGER, f"--config.file={path}", f"--storage.path={folder / 'data'}", "--cluster.listen-address="),
        f"--web.listen-address={base.removeprefix('http://')}",
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)  # type: ignore[arg-type]
    try:
        wait_until(lambda: _is_ready(base), 60, "Alertmanager is ready")
        yield base
    finally:
        process.kill()
        process.wait()


def _is_ready(base: str) -> bool:
    try:
        return call("GET", f"{base}/-/ready").status == 200
    except OSError:
        return False
