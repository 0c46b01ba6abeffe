"""Charts as SVG text, coloured by the page's style sheet so that they follow its light or dark theme. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from smartgrid.loadtest.scales import Scale, linear_scale, log_scale, tick_label

WIDTH = 540
HEIGHT = 230
LEFT, RIGHT, TOP, BOTTOM = 56, 24, 12, 40
BAR_HEIGHT = 22
NAME_WIDTH = 140
VALUE_WIDTH = 90
MAX_POINTS = 4000
MAX_POINTS_PER_LINE = 400
HISTOGRAM_BINS_PER_STEP = 4


@dataclass(frozen=True)
class Point:
    """One request: when it was sent, how long it took, and the style of its result."""

    at_s: float
    response_ms: float
    style: str


def scatter(points: Sequence[Point], p95_ms: float) -> str:
    """Response time (logarithmic) against the time at which each request was sent, with a line at p95."""
    x = linear_scale(max(point.at_s for point in points))
    y = log_scale(min(p.response_ms for p in points), max(p.response_ms for p in points))
    dots = "".join(_dot(point, x, y) for point in thinned(points))
    line_y = _y(y, p95_ms)
    line = f'<line class="mark" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{line_y:.1f}" y2="{line_y:.1f}"/>'
    label = _text("mark-label", WIDTH - RIGHT, line_y - 5, f"p95 {p95_ms:.1f} ms", "end")
    return _framed(x, y, "seconds since the start", "ms", dots + line + label, "Response times over the run")


def thinned(points: Sequence[Point], most: int = MAX_POINTS) -> Sequence[Point]:
    """At most `most` points: half of them the slowest, the rest evenly from all others."""
    if len(points) <= most:
        return points
    slowest_first = sorted(points, key=lambda point: -point.response_ms)
    others = slowest_first[most // 2 :]
    step = -(-len(others) // (most - most // 2))
    return [*slowest_first[: most // 2], *others[::step]]


def histogram(values_ms: Sequence[float]) -> str:
    """How many requests took how long, in classes that grow with the time."""
    x = log_scale(min(values_ms), max(values_ms))
    bins = (len(x.ticks) - 1) * HISTOGRAM_BINS_PER_STEP
    counts = [0] * bins
    for value in values_ms:
        counts[min(int(x.position(value) * bins), bins - 1)] += 1
    y = linear_scale(max(counts), 4)
    width = (WIDTH - LEFT - RIGHT) / bins
    bars = "".join(
        _column(LEFT + position * width, width, y, 0, count, "succeeded", f"{count} requests")
        for position, count in enumerate(counts)
        if count
    )
    return _framed(x, y, "response time in ms", "requests", bars, "Histogram of response times")


def stacked_columns(columns: Sequence[Mapping[str, int]], duration_s: float) -> str:
    """How many requests were sent in each equal part of the run, by the style of their result."""
    x = linear_scale(duration_s)
    y = linear_scale(max(sum(column.values()) for column in columns), 4)
    width = (WIDTH - LEFT - RIGHT) * x.position(duration_s) / len(columns)
    bars = "".join(
        _column(LEFT + position * width, width, y, below, count, style, f"{count} {style}")
        for position, column in enumerate(columns)
        for style, below, count in _stacked(column)
    )
    return _framed(x, y, "seconds since the start", "requests sent", bars, "Requests over the run")


def lines(series: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """Load in % of each substation over the run."""
    times = [at_s for samples in series.values() for at_s, _ in samples]
    x = linear_scale(max(times))
    y = linear_scale(max(100.0, *(load for samples in series.values() for _, load in samples)))
    paths = "".join(
        f'<path class="series s{position % 8}" d="{_path(samples, x, y)}"><title>{escape(name)}</title></path>'
        for position, (name, samples) in enumerate(series.items())
    )
    return _framed(x, y, "seconds since the start", "load in %", paths, "Load of the substations")


def bars(rows: Mapping[str, float], unit: str, digits: int, label: str) -> str:
    """One horizontal bar for each name, with its value."""
    longest = max(rows.values()) or 1.0
    drawn = "".join(
        _bar(BAR_HEIGHT * position, name, value / longest, f"{value:,.{digits}f} {unit}")
        for position, (name, value) in enumerate(rows.items())
    )
    return _svg(BAR_HEIGHT * len(rows), drawn, label)


def _bar(top: float, name: str, share: float, value: str) -> str:
    length = share * (WIDTH - NAME_WIDTH - VALUE_WIDTH)
    return (
        f'<rect class="succeeded" x="{NAME_WIDTH}" y="{top + 3}" width="{length:.1f}" height="{BAR_HEIGHT - 6}" rx="2">'
        f"<title>{escape(name)}</title></rect>"
        + _text("name", NAME_WIDTH - 8, top + 15, escape(_short(name)), "end")
        + _text("value", NAME_WIDTH + length + 6, top + 15, value, "start")
    )


def _stacked(column: Mapping[str, int]) -> Iterator[tuple[str, int, int]]:
    below = 0
    for style, count in column.items():
        if count:
            yield style, below, count
        below += count


def _column(x: float, width: float, y: Scale, below: float, count: float, style: str, title: str) -> str:
    top, bottom = _y(y, below + count), _y(y, below)
    return (
        f'<rect class="{style}" x="{x + 0.5:.1f}" y="{top:.1f}" width="{max(width - 1, 0.5):.1f}" '
        f'height="{bottom - top:.1f}"><title>{title}</title></rect>'
    )


def _dot(point: Point, x: Scale, y: Scale) -> str:
    return (
        f'<circle class="{point.style}" cx="{_x(x, point.at_s):.1f}" cy="{_y(y, point.response_ms):.1f}" r="3">'
        f"<title>{point.response_ms:.1f} ms at {point.at_s:.1f} s, {point.style}</title></circle>"
    )


def _path(samples: Sequence[tuple[float, float]], x: Scale, y: Scale) -> str:
    shown = samples[:: -(-len(samples) // MAX_POINTS_PER_LINE)]
    return "M" + "L".join(f"{_x(x, at_s):.1f},{_y(y, load):.1f}" for at_s, load in shown)


def _framed(x: Scale, y: Scale, x_title: str, y_title: str, content: str, label: str) -> str:
    """The content inside axes with grid lines, labels and units."""
    horizontal = "".join(
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{_y(y, tick):.1f}" y2="{_y(y, tick):.1f}"/>'
        + _text("tick", LEFT - 6, _y(y, tick) + 4, tick_label(tick), "end")
        for tick in _roomy(y, HEIGHT - TOP - BOTTOM, 16)
    )
    vertical = "".join(
        _text("tick", _x(x, tick), HEIGHT - BOTTOM + 16, tick_label(tick), "middle")
        for tick in _roomy(x, WIDTH - LEFT - RIGHT, 44)
    )
    titles = _text("axis", (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, x_title, "middle") + (
        f'<text class="axis" transform="translate(12 {(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" '
        f'text-anchor="middle">{y_title}</text>'
    )
    return _svg(HEIGHT, horizontal + vertical + titles + content, label)


def _text(style: str, x: float, y: float, content: str, anchor: str) -> str:
    return f'<text class="{style}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{content}</text>'


def _roomy(scale: Scale, length: float, least: float) -> list[float]:
    """All ticks where they lie far enough apart, else every second, third, ... of them."""
    nearest = min(scale.position(b) - scale.position(a) for a, b in pairwise(scale.ticks)) * length
    return list(scale.ticks[:: max(1, -int(-least // nearest))])


def _svg(height: float, content: str, label: str) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(label)}">{content}</svg>'


def _x(scale: Scale, value: float) -> float:
    return LEFT + scale.position(value) * (WIDTH - LEFT - RIGHT)


def _y(scale: Scale, value: float) -> float:
    return HEIGHT - BOTTOM - scale.position(value) * (HEIGHT - TOP - BOTTOM)


def _short(name: str) -> str:
    return name if len(name) <= 20 else f"{name[:9]}…{name[-10:]}"
