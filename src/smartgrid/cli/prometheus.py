"""A local Prometheus that watches the processes of `smartgrid up`, with the rules that the chart ships."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from smartgrid.cli.supervisor import end_with_parent

HOST = "127.0.0.1"
NAMESPACE = "local"
SHARED_FILES = ("prometheus.yaml", "rules.yaml")
SOURCE = Path(__file__).resolve().parents[3] / "monitoring"
RETENTION = "2d"
END_TIMEOUT_S = 10.0


class PrometheusError(Exception):
    """Prometheus cannot be started; the message is one sentence that says what would help."""


@dataclass(frozen=True, slots=True)
class Target:
    """A process to scrape: its service (`job`), its name (`pod`) and its port on this machine."""

    job: str
    name: str
    port: int


class Prometheus:
    """One Prometheus as a child process."""

    def __init__(self, data_dir: Path, targets: Iterable[Target], port: int) -> None:
        """Write its configuration to `data_dir`. Raises PrometheusError where Prometheus cannot be started."""
        self.url = f"http://{HOST}:{port}"
        _check_port(port)
        self._command, self._log_path = command(data_dir, targets, port), data_dir / "prometheus.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start Prometheus; does not wait until it answers."""
        with self._log_path.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - no threads here
            )

    def stop(self) -> None:
        """End it, by force if it does not end in time. Once is enough; before `start` it does nothing."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def command(data_dir: Path, targets: Iterable[Target], port: int) -> list[str]:
    """The command that runs Prometheus on `port`, its configuration written to `data_dir`.

    Raises PrometheusError where Prometheus is not installed, or the rules are not there.
    """
    program = shutil.which("prometheus")
    if program is None:
        raise PrometheusError("--prometheus needs the program prometheus; on Debian: apt-get install prometheus")
    write_configuration(data_dir, targets)
    return [
        program,
        f"--config.file={data_dir / 'prometheus.yaml'}",
        f"--storage.tsdb.path={data_dir / 'series'}",
        f"--storage.tsdb.retention.time={RETENTION}",
        f"--web.listen-address={HOST}:{port}",
        "--log.level=warn",
    ]


def write_configuration(folder: Path, targets: Iterable[Target]) -> None:
    """Scrape configuration, rules and targets, side by side. Raises PrometheusError."""
    if not SOURCE.is_dir():
        raise PrometheusError(f"--prometheus needs the rules in {SOURCE}: run smartgrid from a clone of the repository")
    folder.mkdir(parents=True, exist_ok=True)
    for name in SHARED_FILES:
        shutil.copyfile(SOURCE / name, folder / name)
    (folder / "targets.json").write_text(json.dumps([_group(target) for target in targets], indent=2) + "\n")


def _check_port(port: int) -> None:
    from smartgrid.runtime.server import CannotListenError, check_address

    try:
        check_address(HOST, port)
    except CannotListenError as error:
        raise PrometheusError(f"prometheus: {error}; choose another with --prometheus-port") from error


def _group(target: Target) -> dict[str, object]:
    labels = {"job": target.job, "pod": target.name, "namespace": NAMESPACE}
    return {"targets": [f"{HOST}:{target.port}"], "labels": labels}
