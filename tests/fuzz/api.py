"""`make fuzz-api`: schemathesis against the interfaces of a real grid, 100,000 requests unless told otherwise.

What a schema allows and what it does not is sent to each service as its OpenAPI document describes it. No answer may be
an error of ours (500), break its own schema, or be of a status that the document does not name; and no process may
have grown by more than `MAX_GROWTH_MB` after the first tenth of it.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click

from support.grid import Grid
from support.processes import Process

CONFIG = Path(__file__).with_name("schemathesis.toml")
MAX_GROWTH_MB = 24
TIMEOUT_S = 4 * 3600.0


def fuzz(service: Process, examples: int, phases: Sequence[str], seed: int | None = None) -> tuple[int, str]:
    """How many requests one service was sent, and what was wrong, in the fuzzer's words; empty if nothing was."""
    command = [
        *(Path(sys.executable).with_name("schemathesis"), "--config-file", CONFIG, "run"),
        *(f"{service.url}/openapi.json", "--phases", ",".join(phases), "--max-examples", examples),
        # One worker: Python 3.11 fails where two threads parse source at once, as its strategies do for their names.
        *("--request-timeout", 90, "--no-color", "--workers", 1),
        *(("--seed", seed) if seed is not None else ()),
    ]
    done = subprocess.run(map(str, command), capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    sent = re.search(r"^\s*([0-9]+) generated", done.stdout, re.MULTILINE)
    return int(sent[1]) if sent else 0, "" if done.returncode == 0 else done.stdout + done.stderr


def rss_mb(process: Process) -> float:
    """The memory of a process."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    found = re.search(r"VmRSS:\s+([0-9]+) kB", status)
    assert found, status
    return int(found[1]) / 1024


@click.command()
@click.option("--requests", default=100_000, show_default=True, help="In all, about.")
@click.option("--seed", type=int, help="Of an earlier run.")
def main(requests: int, seed: int | None) -> None:
    """See above."""
    failures, sent = 0, 0
    with (
        tempfile.TemporaryDirectory() as folder,
        Grid(Path(folder), [100, 100], gateways=1, edge={"registration": "open"}, time_scale=3600) as grid,
    ):
        targets = [grid.gateway, grid.balancer, grid.substations[0], grid.edge]
        rate = {target: max(1, fuzz(target, 20, ["fuzzing"])[0]) / 20 for target in targets}  # and warms them up
        for part in (0.1, 0.9):
            before = {target: rss_mb(target) for target in grid.processes}
            for target in targets:
                count, wrong = fuzz(target, int(part * requests / 4 / rate[target]) or 1, ["fuzzing"], seed)
                sent, failures = sent + count, failures + bool(wrong)
                click.echo(f"{target.service}: {count} requests; {'wrong:' if wrong else 'all as described'}\n{wrong}")
        for target, mb in before.items():
            grown_mb = rss_mb(target) - mb
            click.echo(f"{target.service}: {mb:.0f} MB, {grown_mb:+.1f} MB")
            failures += grown_mb > MAX_GROWTH_MB
            failures += not target.running
    click.echo(f"{sent} requests, {failures} failures")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
