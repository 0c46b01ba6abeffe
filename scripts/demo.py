"""`make demo`: the grid on this machine, a minute of cars, and what became of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SMARTGRID = [sys.executable, "-m", "smartgrid"]
DATA_DIR = Path(".smartgrid/demo")
RESULT = Path("results/demo.json")
TIME_SCALE = "60"
GATEWAY, BALANCER = "http://127.0.0.1:8080", "http://127.0.0.1:8081"
END_TIMEOUT_S = 60
BY_HAND = f"""
The result as JSON: {RESULT}

To go on by hand, start the grid in one terminal:
    .venv/bin/smartgrid up
and charge a car in another, then look at where it charges:
    curl -s {GATEWAY}/charge -H 'Content-Type: application/json' -d '{{"vehicle_id": "EV-042", "energy_kwh": 12.5}}'
    curl -s {BALANCER}/substations
"""


def main(arguments: list[str]) -> int:
    """Extra arguments go to the load test, e.g. `--requests 20 --ramp-up 10`."""
    RESULT.parent.mkdir(exist_ok=True)
    grid = subprocess.Popen(
        [*SMARTGRID, "up", "--substations", "3", "--time-scale", TIME_SCALE, "--data-dir", str(DATA_DIR)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C ends the load test first, and then this ends the grid
    )
    try:
        if not started(grid):
            return grid.wait(END_TIMEOUT_S) or 1
        code = load_test(arguments)
        sys.stdout.write(BY_HAND)
        return code
    except KeyboardInterrupt:
        return 130
    finally:
        grid.terminate()
        grid.wait(END_TIMEOUT_S)


def started(grid: subprocess.Popen[str]) -> bool:
    """Show what the grid says until it is ready; False if it ends instead."""
    for line in grid.stdout or ():
        sys.stdout.write(line)
        sys.stdout.flush()
        if line.strip() == "ready":
            return True
    return False


def load_test(arguments: list[str]) -> int:
    scenario = ["--scenario", "normal", "--target", GATEWAY, "--output", str(RESULT)]
    return subprocess.run([*SMARTGRID, "loadtest", *scenario, *arguments], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
