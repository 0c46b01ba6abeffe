"""`make chargers-torture MINUTES=10`: rounds, seed after seed, until the time is over or a rule is broken."""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections import Counter
from pathlib import Path

from chargers_torture.rounds import Intensity, run_round
from chargers_torture.rules import check
from support import torture_rounds
from support.torture_rounds import say, shown

SHOWN = 20


def main() -> int:
    options = _options()
    intensity = Intensity(options.chargers, options.storm_s, options.pause_s)

    def one_round(seed: int, folder: Path) -> tuple[bool, Counter[str]]:
        return _one_round(seed, folder, intensity)

    return torture_rounds.run(one_round, "chargers-torture", "logs", options.seed, options.minutes)


def _one_round(seed: int, folder: Path, intensity: Intensity) -> tuple[bool, Counter[str]]:
    folder.mkdir()
    say(f"seed {seed}: begins")
    try:
        outcome = run_round(seed, folder, intensity, lambda text: say(f"seed {seed}: {text}"))
    except Exception as error:
        say(f"seed {seed}: {type(error).__name__}: {error}\nlogs: {folder}")
        return True, Counter()
    say(f"seed {seed}: {shown(outcome.counts)}")
    violations = check(outcome.evidence)
    for each in violations[:SHOWN]:
        say(f"seed {seed}: {each.rule}: {each.what}")
    if violations:
        events = "\n".join(f"{at_s:9.3f} {what}" for at_s, what in outcome.evidence.events)
        (folder / "events.txt").write_text(events)
        say(f"\n{len(violations)} in all; again: make chargers-torture SEED={seed}; events and logs: {folder}")
    else:
        shutil.rmtree(folder)
    return bool(violations), outcome.counts


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="chargers-torture", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="begin no round after so many minutes")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the first round; each has the next one")
    parser.add_argument("--chargers", type=int, default=Intensity.chargers)
    parser.add_argument("--storm-s", type=float, default=Intensity.storm_s, help="how long faults strike in a round")
    parser.add_argument("--pause-s", type=float, default=Intensity.pause_s, help="between two faults, on average")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
