"""How smooth the console is while all of 200 substations change: `python benchmarks/bench_console.py [substations]`.

In headless Chromium, which draws without a graphics card; a real balancer, and substations that only answer polls.
"""

from __future__ import annotations

import random
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from console.stub_substations import StubSubstations
from support.processes import Process

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FRAMES = 480
CHANGES = 10
FRAME_TIMES_MS = f"""() => new Promise((done) => {{
  const found = [];
  let last = performance.now();
  const frame = (now) => {{
    found.push(now - last);
    last = now;
    if (found.length < {FRAMES}) requestAnimationFrame(frame);
    else done(found);
  }};
  requestAnimationFrame(frame);
}})"""
SHOWN = "(text) => document.querySelector('[data-name=substation-3] .numbers b').textContent === text"


def main(substations: int) -> None:
    with (
        StubSubstations(substations).running() as stubs,
        tempfile.TemporaryDirectory() as folder,
        Process("balancer", Path(folder), substations=stubs.fleet()) as balancer,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.goto(balancer.url + "/")
        page.wait_for_function(f"document.querySelectorAll('.substation').length === {substations}")
        with changing(stubs):
            frames_ms = sorted(page.evaluate(FRAME_TIMES_MS))
        delays_s = [delay_s(page, stubs, 10.0 + number) for number in range(CHANGES)]
        browser.close()
    print(f"{substations} substations, all changing 2.5 times a second, {FRAMES} frames:")
    print(f"  time between frames: median {frames_ms[FRAMES // 2]:.1f} ms, 95th {frames_ms[FRAMES * 95 // 100]:.1f} ms")
    print(f"  from a change at a substation to the page: median {statistics.median(delays_s):.2f} s, "
          f"longest {max(delays_s):.2f} s")  # fmt: skip


@contextmanager
def changing(stubs: StubSubstations) -> Iterator[None]:
    """All loads change while the block runs."""
    done = threading.Event()

    def change() -> None:
        while not done.wait(0.4):
            for name in stubs.ports:
                stubs.set_load(name, random.uniform(5, 99))

    thread = threading.Thread(target=change)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def delay_s(page: Page, stubs: StubSubstations, load_kw: float) -> float:
    time.sleep(random.uniform(0.2, 0.7))  # at any time between two polls
    begun_s = time.monotonic()
    stubs.set_load("substation-3", load_kw)
    page.wait_for_function(SHOWN, arg=f"{load_kw:.1f}", polling=20)
    return time.monotonic() - begun_s


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
