"""Draws a dashboard as a picture: `python tools/dashboard_image.py smart-grid --prometheus URL --out FILE.png`.

For the README and for reviews, where no Grafana is at hand. It draws the panels where the JSON puts them, with the
answers of a real Prometheus to the panels' own queries; Grafana's own rendering differs in its details.
"""

from __future__ import annotations

import argparse
import html
import json
import math
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

from playwright.sync_api import sync_playwright

FOLDER = Path(__file__).resolve().parent.parent / "dashboards"
WIDTH, CELL_HEIGHT, GAP = 1500, 30, 8
STEP_S = 5
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
COLOURS = ("#73bf69", "#5794f2", "#f2cc0c", "#ff9830", "#b877d9", "#ff7383", "#8ab8ff", "#fade2a", "#96d98d", "#ca95e5")
NAMED = {"green": "#73bf69", "orange": "#ff9830", "red": "#f2495c", "blue": "#5794f2"}
STYLE = """
body { margin: 0; background: #111217; color: #ccccdc; font: 12px Inter, "Helvetica Neue", Arial, sans-serif }
h1 { font-size: 17px; margin: 0; padding: 14px 8px 8px; font-weight: 500 }
h1 small { color: #8e8e9c; font-weight: 400 }
.panel { position: absolute; background: #181b1f; border: 1px solid #2a2d35; border-radius: 3px; overflow: hidden;
  box-sizing: border-box }
.panel h2 { font-size: 12.5px; font-weight: 500; margin: 6px 9px }
.row { position: absolute; font-size: 15px; padding: 5px 2px; font-weight: 500 }
.number { font-size: 30px; font-weight: 600; text-align: center; margin-top: 10px }
.legend { position: absolute; bottom: 5px; left: 9px; right: 9px; white-space: nowrap; overflow: hidden;
  font-size: 10.5px }
.legend i { display: inline-block; width: 12px; height: 3px; margin: 0 4px 2px 0 }
.legend span { margin-right: 10px }
.bar { display: grid; grid-template-columns: 92px 1fr 46px; gap: 6px; margin: 4px 9px; align-items: center }
.bar div { background: #22252b; height: 17px }
.bar div div { height: 100% }
svg { position: absolute }
text { fill: #8e8e9c; font-size: 10px }
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dashboard")
    parser.add_argument("--prometheus", required=True)
    parser.add_argument("--substation", default=".*")
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    dashboard = json.loads((FOLDER / f"{options.dashboard}.json").read_text())
    page, height = draw(dashboard, Source(options.prometheus, options.substation, 60 * options.minutes))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        view = browser.new_page(viewport={"width": WIDTH, "height": height})
        view.set_content(page)
        view.screenshot(path=options.out)
        browser.close()


@dataclass(frozen=True)
class Source:
    """Where the numbers come from: a Prometheus, the substation that is chosen, and how far back."""

    prometheus: str
    substation: str
    length_s: float


def draw(dashboard: dict[str, Any], source: Source) -> tuple[str, int]:
    """The whole page, and its height in pixels."""
    parts = [panel(each, source) for each in dashboard["panels"]]
    height = 48 + max((p["gridPos"]["y"] + p["gridPos"]["h"]) * CELL_HEIGHT for p in dashboard["panels"]) + GAP
    subtitle = f"last {source.length_s / 60:g} minutes, refresh {dashboard['refresh']}"
    title = f"<h1>{html.escape(dashboard['title'])} <small>{subtitle}</small></h1>"
    return f"<!doctype html><style>{STYLE}</style>{title}{''.join(parts)}", height


def panel(spec: dict[str, Any], source: Source) -> str:
    """One panel, or the heading of a row, at its place."""
    place = spec["gridPos"]
    left, top = place["x"] * WIDTH / 24 + GAP / 2, 48 + place["y"] * CELL_HEIGHT
    width, height = place["w"] * WIDTH / 24 - GAP, place["h"] * CELL_HEIGHT - GAP
    box = f'style="left:{left:.0f}px;top:{top}px;width:{width:.0f}px;height:{height}px"'
    title = html.escape(spec["title"].replace("$substation", source.substation))
    if spec["type"] == "row":
        return f'<div class="row" {box}>▾ {title}</div>'
    found = [series for target in spec["targets"] for series in answers(target, source)]
    drawing = {"stat": number, "bargauge": bars}.get(spec["type"])
    body = drawing(spec, found) if drawing else lines(spec, found, width, height, source.length_s)
    return f'<div class="panel" {box}><h2>{title}</h2>{body}</div>'


def answers(target: dict[str, Any], source: Source) -> list[tuple[str, list[tuple[float, float]]]]:
    """Pairs of a legend and its points."""
    expression = target["expr"].replace("$namespace", ".*").replace("$substation", source.substation)
    expression = expression.replace("$__rate_interval", "20s")
    now_s = time.time()
    asked = {"query": expression, "start": now_s - source.length_s, "end": now_s, "step": STEP_S}
    with urlopen(f"{source.prometheus}/api/v1/query_range?{urlencode(asked)}", timeout=20) as answer:
        result = json.load(answer)["data"]["result"]
    named = sorted((_legend(target["legendFormat"], each["metric"]), each["values"]) for each in result)
    return [(name, [(t, float(v)) for t, v in values if not math.isnan(float(v))]) for name, values in named]


def _legend(pattern: str, labels: dict[str, str]) -> str:
    for name, value in labels.items():
        pattern = pattern.replace("{{" + name + "}}", value)
    return pattern


def lines(spec: dict[str, Any], found: list[Any], width: float, height: float, length_s: float) -> str:
    """Lines, stacked where the panel says so."""
    unit = spec["fieldConfig"]["defaults"]["unit"]
    stacked = spec["fieldConfig"]["defaults"]["custom"].get("stacking", {}).get("mode") == "normal"
    dashed = {o["matcher"]["options"] for o in spec["fieldConfig"].get("overrides", [])}
    inner_width, inner_height, left = width - 76, height - 74, 66
    end_s = time.time()
    below: dict[float, float] = {}
    drawn = []
    for index, (name, plain) in enumerate(found):
        points = [(t, below.get(t, 0) + v) for t, v in plain] if stacked else plain
        below.update(points)
        drawn.append((COLOURS[index % len(COLOURS)], name, points))
    top = max([v for _, _, points in drawn for _, v in points], default=1) * 1.08 or 1
    paths = []
    for colour, name, points in reversed(drawn):
        at = [(left + inner_width * (1 - (end_s - t) / length_s), 32 + inner_height * (1 - v / top)) for t, v in points]
        if at:
            path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in at)
            dash = ' stroke-dasharray="7 5"' if name in dashed else ""
            floor, shade = 32 + inner_height, 0.35 if stacked else 0.06
            area = f"{path}L{at[-1][0]:.1f} {floor}L{at[0][0]:.1f} {floor}Z"
            paths.append(
                f'<path d="{area}" fill="{colour}" opacity="{shade}"/>'
                f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="1.6"{dash}/>'
            )
    rules = "".join(
        f'<line x1="{left}" x2="{left + inner_width}" y1="{y}" y2="{y}" stroke="#2a2d35"/>'
        f'<text x="{left - 6}" y="{y + 3}" text-anchor="end">{shown(top * (4 - step) / 4, unit)}</text>'
        for step in range(5)
        for y in [32 + inner_height * step / 4]
    )
    legend = "".join(f'<span><i style="background:{c}"></i>{html.escape(name)}</span>' for c, name, _ in drawn)
    svg = f'<svg width="{width:.0f}" height="{height}" style="left:0;top:0">{rules}{"".join(paths)}</svg>'
    return f'{svg}<div class="legend">{legend}</div>'


def number(spec: dict[str, Any], found: list[Any]) -> str:
    """The last value, in the colour of its threshold."""
    value = next((points[-1][1] for _, points in found if points), None)
    if value is None:
        return '<div class="number" style="color:#8e8e9c">No data</div>'
    text = shown(value, spec["fieldConfig"]["defaults"]["unit"])
    return f'<div class="number" style="color:{colour_of(spec, value)}">{text}</div>'


def bars(spec: dict[str, Any], found: list[Any]) -> str:
    """The last values as bars, each in the colour of its threshold."""
    most = spec["fieldConfig"]["defaults"]["max"]
    rows = []
    for name, points in found:
        if points:
            value = points[-1][1]
            colour = colour_of(spec, value)
            text = shown(value, spec["fieldConfig"]["defaults"]["unit"])
            fill = f'<div style="width:{min(100, 100 * value / most):.0f}%;background:{colour}"></div>'
            rows.append(
                f'<div class="bar">{html.escape(name)}<div>{fill}</div><b style="color:{colour}">{text}</b></div>'
            )
    return "".join(rows)


def colour_of(spec: dict[str, Any], value: float) -> str:
    steps = spec["fieldConfig"]["defaults"]["thresholds"]["steps"]
    passed = [step["color"] for step in steps if step["value"] is None or value >= step["value"]]
    return NAMED[passed[-1]]


def shown(value: float, unit: str) -> str:
    """A value with its unit, as short as Grafana has it."""
    if unit == "percentunit":
        return f"{100 * value:.0f}%"
    if unit == "percent":
        return f"{value:.0f}%"
    if unit == "s":
        return f"{1000 * value:.3g} ms" if value < 1 else f"{value:.3g} s" if value < 120 else f"{value / 60:.3g} min"
    if unit == "bytes":
        scale = min(3, int(math.log(value, 1024))) if value >= 1 else 0
        return f"{value / 1024**scale:.3g} {('B', 'KiB', 'MiB', 'GiB')[scale]}"
    suffix = {"kwatt": " kW", "kwatth": " kWh", "reqps": "/s"}.get(unit, "")
    return f"{value:,.0f}{suffix}" if value >= 100 else f"{value:.3g}{suffix}"


if __name__ == "__main__":
    main()
