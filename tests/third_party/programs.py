"""Charger programs of others, from the registries, as they are: each is pinned, and built once into a cache.

`make third-party-chargers` builds them all. Tests build what is not there yet, and skip with one sentence where its
tool chain is missing; in the project's CI they fail instead. `.ci/run` builds as the user who has the tool chains, and
tells the tests by SMARTGRID_CHARGERS_HOME where.

| program | from | tool chain | cold, on two cores |
|---|---|---|---|
| `strict` | npm `ocpp-rpc` by `npm/package-lock.json`, under our `npm/charger.js` | node, npm | seconds |
| `ocpp-go-1.6`, `ocpp-go-2.0.1` | its examples, by `go/go.mod` and `go/go.sum` | go | seconds |
| `ocpp-charge-point` | the crate's example, by its own lock file | cargo | some minutes |
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
HOME = Path(os.environ.get("SMARTGRID_CHARGERS_HOME", Path.home() / ".cache/smart-grid/chargers"))
BUILD_TIMEOUT_S = 1800
OCPP_GO = "github.com/lorenzodonini/ocpp-go/example"
CHARGE_POINT = ("ocpp-charge-point", "0.1.0", "simulated_charge_point")


class MissingToolError(Exception):
    """A program must be built, and what builds it is not there."""


@dataclass(frozen=True)
class Program:
    """`produces` is where the build leaves it, in its folder of the cache; `sources` are files that pin it."""

    name: str
    tools: tuple[str, ...]
    command: tuple[str, ...]
    produces: str
    sources: tuple[Path, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return HOME / self.name

    def fingerprint(self) -> str:
        digest = hashlib.sha256("\0".join(self.command).encode())
        for source in self.sources:
            digest.update(source.name.encode() + source.read_bytes())
        return digest.hexdigest()


def _go(version: str, example: str) -> Program:
    return Program(
        name=f"ocpp-go-{version}",
        tools=("go",),
        command=("go", "build", "-trimpath", "-mod=readonly", "-o", "{folder}/charger", f"{OCPP_GO}/{example}"),
        produces="charger",
        sources=(HERE / "go/go.mod", HERE / "go/go.sum", HERE / "go/tools.go"),
        environment={"CGO_ENABLED": "0"},
    )


_CRATE, _VERSION, _EXAMPLE = CHARGE_POINT
PROGRAMS = {
    each.name: each
    for each in (
        Program(
            name="strict",
            tools=("npm", "node"),
            command=("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", "{folder}"),
            produces="node_modules/ocpp-rpc/package.json",
            sources=(HERE / "npm/package.json", HERE / "npm/package-lock.json"),
        ),
        _go("1.6", "1.6/cp"),
        _go("2.0.1", "2.0.1/chargingstation"),
        Program(
            name="ocpp-charge-point",
            tools=("cargo",),
            command=(
                *(
                    "cargo",
                    "install",
                    _CRATE,
                    "--version",
                    f"={_VERSION}",
                    "--locked",
                    "--debug",
                    "--example",
                    _EXAMPLE,
                ),
                *("--root", "{folder}", "--target-dir", "{folder}/target"),
            ),
            produces=f"bin/{_EXAMPLE}",
            environment={"CARGO_PROFILE_DEV_DEBUG": "0"},
        ),
    )
}


def built(name: str) -> Path:
    """What `name` produces; built first where it is not there yet. Raises MissingToolError."""
    program = PROGRAMS[name]
    with _locked(program.folder):
        stamp = program.folder / "built-from"
        if not (stamp.exists() and stamp.read_text() == program.fingerprint()):
            _build(program)
            stamp.write_text(program.fingerprint())
    return program.folder / program.produces


def _build(program: Program) -> None:
    for tool in program.tools:
        if shutil.which(tool) is None:
            raise MissingToolError(f"{program.name} needs {tool}, which is not on PATH, to be built")
    for source in program.sources:
        shutil.copy(source, program.folder)
    command = [word.format(folder=program.folder) for word in program.command]
    done = subprocess.run(
        ["nice", "-n", "10", *command],
        cwd=program.folder,
        env={**os.environ, **program.environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=BUILD_TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr[-4000:]}"
    shutil.rmtree(program.folder / "target", ignore_errors=True)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One build at a time, whoever runs it; a cache that is another's, and whole, is only read."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("a")
    except PermissionError:
        yield
        return
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main() -> int:
    for name in PROGRAMS:
        try:
            sys.stderr.write(f"{built(name)}\n")
        except MissingToolError as missing:
            sys.stderr.write(f"skipped: {missing}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
