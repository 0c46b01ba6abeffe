"""`make chargers-torture MINUTES=10`: rounds, seed after seed, until the time is over or a rule is broken."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from chargers_torture.rounds import Intensity, run_round
from chargers_torture.rules import check

SHOWN = 20


def main() -> int:
    options = _options()
    root = Path(tempfile.mkdtemp(prefix="chargers-torture-"))
    intensity = Intensity(options.chargers, options.storm_s, options.pause_s)
    begun_s, total, failed, seed = time.monotonic(), Counter[str](), list[int](), options.seed
    while time.monotonic() < begun_s + 60 * options.minutes and not failed:
        is_broken, found = _one_round(seed, root / f"seed-{seed}", intensity)
        total += found
        failed += [seed] if is_broken else []
        seed += 1
    minutes = (time.monotonic() - begun_s) / 60
    _say(f"\n{seed - options.seed} rounds in {minutes:.1f} minutes, seeds from {options.seed}: {_shown(total)}")
    _say(f"FAILED with the seeds {failed}; logs: {root}" if failed else "no rule was broken")
    if not failed:
        shutil.rmtree(root)
    return 1 if failed else 0


def _one_round(seed: int, folder: Path, intensity: Intensity) -> tuple[bool, Counter[str]]:
    folder.mkdir()
    _say(f"seed {seed}: begins")
    try:
        outcome = run_round(seed, folder, intensity, lambda text: _say(f"seed {seed}: {text}"))
    except Exception as error:
        _say(f"seed {seed}: {type(error).__name__}: {error}\nlogs: {folder}")
        return True, Counter()
    _say(f"seed {seed}: {_shown(outcome.counts)}")
    violations = check(outcome.evidence)
    for each in violations[:SHOWN]:
        _say(f"seed {seed}: {each.rule}: {each.what}")
    if violations:
        events = "\n".join(f"{at_s:9.3f} {what}" for at_s, what in outcome.evidence.events)
        (folder / "events.txt").write_text(events)
        _say(f"\n{len(violations)} in all; again: make chargers-torture SEED={seed}; events and logs: {folder}")
    else:
        shutil.rmtree(folder)
    return bool(violations), outcome.counts


def _shown(found: Counter[str]) -> str:
    return ", ".join(f"{times} {name}" for name, times in sorted(found.items(), key=lambda item: -item[1]))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="chargers-torture", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="begin no round after so many minutes")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the first round; each has the next one")
    parser.add_argument("--chargers", type=int, default=Intensity.chargers)
    parser.add_argument("--storm-s", type=float, default=Intensity.storm_s, help="how long faults strike in a round")
    parser.add_argument("--pause-s", type=float, default=Intensity.pause_s, help="between two faults, on average")
    return parser.parse_args()


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
