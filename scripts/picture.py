"""`make picture`: the moving picture of the README, taken from a grid that really runs (docs/images/demo.webp).

Three substations, cars that come faster than they can charge, so that some wait, and an operator who limits a
substation at the console. Above is the console in headless Chromium, below what the load test writes on a terminal;
both are photographed twice a second, and shown somewhat faster. Needs Chromium (Debian: `apt-get install chromium`);
Playwright and Pillow are among what tests and simulator need anyway.
"""

from __future__ import annotations

import html
import io
import os
import pty
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

PICTURE = Path("docs/images/demo.webp")
MAX_BYTES = 2_000_000
SMARTGRID = [sys.executable, "-m", "smartgrid"]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
GATEWAY_PORT, BALANCER_PORT, SUBSTATION_PORT = 18680, 18681, 18682
GRID = ("--capacity-kw", "90,100,110", "--time-scale", "240")
LOAD = ("--requests", "240", "--users", "20", "--ramp-up", "40", "--wait", "120")
WIDTH, CONSOLE_HEIGHT, TERMINAL_HEIGHT = 1360, 680, 104
SHOWN_WIDTH = 1000
FRAME_S, SHOWN_FRAME_S, LAST_FRAME_S = 0.5, 0.2, 3.0
LENGTH_S = 50.0
LIMITED, LIMIT_KW = "substation-1", 40
TERMINAL = """<style>body{{margin:0;background:#161615;color:#e6e4df;font:16px/1.45 "DejaVu Sans Mono",monospace}}
pre{{margin:10px 16px;white-space:pre;overflow:hidden}}</style><pre>{}</pre>"""


class Terminal:
    """A command on a terminal of its own, and what stands on its last lines."""

    def __init__(self, command: list[str], shown: str) -> None:
        self._written = f"$ {shown}\n"
        master, slave = pty.openpty()
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=slave, stderr=slave)
        os.close(slave)
        threading.Thread(target=self._read, args=(master,), daemon=True).start()

    def _read(self, master: int) -> None:
        try:
            while part := os.read(master, 4096):
                self._written += part.decode(errors="replace").replace("\r\n", "\n")
        except OSError:  # it has ended
            pass

    def lines(self, most: int) -> str:
        """The last lines, each as it was written over last."""
        lines = [line.rpartition("\r")[2].replace("\x1b[K", "") for line in self._written.rstrip("\n").split("\n")]
        return "\n".join(lines[-most:])


def main() -> int:
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        sys.stderr.write("Chromium is not installed; on Debian: apt-get install chromium\n")
        return 2
    with running_grid(), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        console = browser.new_page(viewport={"width": WIDTH, "height": CONSOLE_HEIGHT}, color_scheme="light")
        terminal = browser.new_page(viewport={"width": WIDTH, "height": TERMINAL_HEIGHT})
        console.goto(f"http://127.0.0.1:{BALANCER_PORT}/")
        console.wait_for_selector(f"[data-name={LIMITED}]")
        frames = list(photographed(console, terminal))
        browser.close()
    save(frames)
    size = PICTURE.stat().st_size
    sys.stdout.write(f"{PICTURE}: {len(frames)} frames, {size / 1e6:.2f} MB\n")
    return 0 if size <= MAX_BYTES else 1


@contextmanager
def running_grid() -> Iterator[None]:
    ports = ("--gateway-port", GATEWAY_PORT, "--balancer-port", BALANCER_PORT, "--substation-port", SUBSTATION_PORT)
    with tempfile.TemporaryDirectory() as folder:
        command = [*SMARTGRID, "up", *GRID, *map(str, ports), "--data-dir", folder]
        grid = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            if not any(line.strip() == "ready" for line in grid.stdout or ()):
                raise RuntimeError("the grid did not start")
            yield
        finally:
            grid.terminate()
            grid.wait(60)


def photographed(console: Page, terminal: Page) -> Iterator[Image.Image]:
    """Frames at a steady pace, while the load test runs and the operator acts."""
    command = [*SMARTGRID, "loadtest", *LOAD, "--target", f"http://127.0.0.1:{GATEWAY_PORT}"]
    load = Terminal(command, " ".join(("smartgrid loadtest", *LOAD)))
    to_do = operator(console)
    begun_s = time.monotonic()
    try:
        while (now_s := time.monotonic() - begun_s) < LENGTH_S:
            while to_do and to_do[0][0] <= now_s:
                to_do.pop(0)[1]()
            terminal.set_content(TERMINAL.format(html.escape(load.lines(4))))
            yield stacked(console.screenshot(), terminal.screenshot())
            time.sleep(max(0.0, begun_s + now_s + FRAME_S - time.monotonic()))
    finally:
        load.process.terminate()
        load.process.wait(30)


def operator(console: Page) -> list[tuple[float, Callable[[], object]]]:
    """What the operator does, and when."""
    return [
        (26.0, lambda: console.click(f"[data-name={LIMITED}]")),
        (28.0, lambda: console.click("#limit")),
        (29.0, lambda: console.fill("#confirm-value", str(LIMIT_KW))),
        (30.5, lambda: console.click("#confirm-yes")),
        (38.0, lambda: console.keyboard.press("Escape")),
    ]


def stacked(*pictures: bytes) -> Image.Image:
    """One above the other, at the width that is shown."""
    parts = [Image.open(io.BytesIO(picture)).convert("RGB") for picture in pictures]
    whole = Image.new("RGB", (WIDTH, sum(part.height for part in parts)))
    top = 0
    for part in parts:
        whole.paste(part, (0, top))
        top += part.height
    return whole.resize((SHOWN_WIDTH, whole.height * SHOWN_WIDTH // WIDTH), Image.Resampling.LANCZOS)


def save(frames: list[Image.Image]) -> None:
    durations_ms = [round(1000 * SHOWN_FRAME_S)] * (len(frames) - 1) + [round(1000 * LAST_FRAME_S)]
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    first, *others = frames
    first.save(PICTURE, save_all=True, append_images=others, duration=durations_ms, loop=0, quality=60, method=4)


if __name__ == "__main__":
    sys.exit(main())
