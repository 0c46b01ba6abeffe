"""`python -m torture --minutes 10`: rounds of torture, seed after seed, until the time is over or a rule is broken."""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections import Counter
from pathlib import Path

from support import torture_rounds
from support.torture_rounds import say, shown
from torture.history import load, save
from torture.retelling import retell
from torture.rounds import Intensity, run_round, statistics
from torture.rules import Violation, check, count

SHOWN = 5  # of the violations of each rule


def main() -> int:
    options = _options()
    if options.check:
        return 1 if _report(options.check, options.seed) else 0
    intensity = Intensity(options.storm_s, options.pause_s, options.clients)

    def one_round(seed: int, folder: Path) -> tuple[bool, Counter[str]]:
        return _one_round(seed, folder, intensity)

    return torture_rounds.run(
        one_round, "torture", "histories, books and logs", options.seed, options.minutes, keep_going=options.keep_going
    )


def _one_round(seed: int, folder: Path, intensity: Intensity) -> tuple[bool, Counter[str]]:
    folder.mkdir()
    say(f"seed {seed}: begins")
    try:
        outcome = run_round(seed, folder, intensity, lambda text: say(f"seed {seed}: {text}"))
    except Exception as error:
        say(f"seed {seed}: {type(error).__name__}: {error}\nhistory and logs: {folder}")
        return True, Counter()
    save(outcome.evidence, folder)
    found = statistics(outcome)
    say(f"seed {seed}: healed {outcome.healed_after_s:.1f} s after rest; {shown(found)}")
    violations = _report(folder, seed)
    if not violations:
        shutil.rmtree(folder)
    return bool(violations), found


def _report(folder: Path, seed: int) -> list[Violation]:
    """Judge the evidence in a folder, and tell what breaks which rule."""
    evidence = load(folder)
    violations = check(evidence)
    for name, times in count(violations).items():
        say(f"\nseed {seed}: {name} is broken {times} times")
        for violation in [each for each in violations if each.rule == name][:SHOWN]:
            say(retell(evidence, violation))
    if violations:
        say(f"\nagain: make torture SEED={seed}; history, books and logs: {folder}")
    return violations


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="torture", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0, help="begin no round after so many minutes")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the first round; each has the next one")
    parser.add_argument("--storm-s", type=float, default=Intensity.storm_s, help="how long faults strike in a round")
    parser.add_argument("--pause-s", type=float, default=Intensity.pause_s, help="between two faults, on average")
    parser.add_argument("--clients", type=int, default=Intensity.clients)
    parser.add_argument("--keep-going", action="store_true", help="go on after a round that broke a rule")
    parser.add_argument("--check", type=Path, help="judge again what a failed round has left in this folder")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
