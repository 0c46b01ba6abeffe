"""Charts as shapes at places in a box of `WIDTH`, for template/chart.html to draw. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

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
COLOURS = 8


@dataclass(frozen=True)
class Bar:
    kind: ClassVar[str] = "bar"
    style: str
    x: float
    y: float
    width: float
    height: float
    title: str
    rounded: int = 0


@dataclass(frozen=True)
class Dot:
    kind: ClassVar[str] = "dot"
    style: str
    x: float
    y: float
    title: str


@dataclass(frozen=True)
class Line:
    kind: ClassVar[str] = "line"
    style: str
    points: Sequence[tuple[float, float]]
    title: str


@dataclass(frozen=True)
class Text:
    kind: ClassVar[str] = "text"
    style: str
    x: float
    y: float
    content: str
    anchor: str


Shape = Bar | Dot | Line | Text


@dataclass(frozen=True)
class Frame:
    """Axes: where they are, and their ticks as places with labels."""

    x_title: str
    y_title: str
    x_ticks: Sequence[tuple[float, str]]
    y_ticks: Sequence[tuple[float, str]]
    left: float = LEFT
    right: float = WIDTH - RIGHT
    top: float = TOP
    bottom: float = HEIGHT - BOTTOM


@dataclass(frozen=True)
class Chart:
    """`legend` has for each entry its mark (`dot` or `line`), the style of it, and its name."""

    label: str
    shapes: Sequence[Shape]
    frame: Frame | None = None
    legend: Sequence[tuple[str, str, str]] = ()
    height: float = HEIGHT
    width: float = WIDTH


@dataclass(frozen=True)
class Point:
    """One request: when it was sent, how long it took, and the style of its result."""

    at_s: float
    response_ms: float
    style: str


def scatter(points: Sequence[Point], p95_ms: float, styles: Sequence[str]) -> Chart:
    """Response time (logarithmic) against the time at which each request was sent, with a line at p95."""
    x = linear_scale(max(point.at_s for point in points))
    y = log_scale(min(p.response_ms for p in points), max(p.response_ms for p in points))
    p95_y = _y(y, p95_ms)
    shapes: list[Shape] = [_dot(point, x, y) for point in thinned(points)]
    shapes.append(Line("mark", [(LEFT, p95_y), (WIDTH - RIGHT, p95_y)], "95th percentile"))
    shapes.append(Text("mark-label", WIDTH - RIGHT, p95_y - 5, f"p95 {p95_ms:.1f} ms", "end"))
    frame = _frame(x, y, "seconds since the start", "ms")
    return Chart("Response times over the run", shapes, frame, _dots(styles))


def thinned(points: Sequence[Point], most: int = MAX_POINTS) -> Sequence[Point]:
    """At most `most` points: half of them the slowest, the rest evenly from all others."""
    if len(points) <= most:
        return points
    slowest_first = sorted(points, key=lambda point: -point.response_ms)
    others = slowest_first[most // 2 :]
    step = -(-len(others) // (most - most // 2))
    return [*slowest_first[: most // 2], *others[::step]]


def histogram(values: Sequence[float], x_title: str, what: str, label: str) -> Chart:
    """How many of `what` took how long, in classes that grow with the time."""
    x = log_scale(min(values), max(values))
    bins = (len(x.ticks) - 1) * HISTOGRAM_BINS_PER_STEP
    counts = [0] * bins
    for value in values:
        counts[min(int(x.position(value) * bins), bins - 1)] += 1
    y = linear_scale(max(counts), 4)
    width = (WIDTH - LEFT - RIGHT) / bins
    shapes = [
        _column(LEFT + position * width, width, y, 0, count, "succeeded", f"{count} {what}")
        for position, count in enumerate(counts)
        if count
    ]
    return Chart(label, shapes, _frame(x, y, x_title, what))


def stacked_columns(columns: Sequence[Mapping[str, int]], duration_s: float) -> Chart:
    """How many requests were sent in each equal part of the run, by the style of their result."""
    x = linear_scale(duration_s)
    y = linear_scale(max(sum(column.values()) for column in columns), 4)
    width = (WIDTH - LEFT - RIGHT) * x.position(duration_s) / len(columns)
    shapes = [
        _column(LEFT + position * width, width, y, below, count, style, f"{count} {style}")
        for position, column in enumerate(columns)
        for style, below, count in _stacked(column)
    ]
    frame = _frame(x, y, "seconds since the start", "requests sent")
    return Chart("Requests over the run", shapes, frame, _dots(list(columns[0])))


def lines(series: Mapping[str, Sequence[tuple[float, float]]], y_title: str, label: str, least_top: float) -> Chart:
    """Values over the run, of each name; a legend if there are several, and few. `least_top` is on the axis."""
    times = [at_s for samples in series.values() for at_s, _ in samples]
    x = linear_scale(max(times))
    y = linear_scale(max(least_top, *(value for samples in series.values() for _, value in samples)))
    shapes = [
        Line(f"series s{position % COLOURS}", _places(samples, x, y), name)
        for position, (name, samples) in enumerate(series.items())
    ]
    few = [("line", f"series s{position}", name) for position, name in enumerate(series)]
    frame = _frame(x, y, "seconds since the start", y_title)
    return Chart(label, shapes, frame, few if 1 < len(few) <= COLOURS else ())


def bars(rows: Mapping[str, float], unit: str, digits: int, label: str) -> Chart:
    """One horizontal bar for each name, with its value."""
    longest = max(rows.values()) or 1.0
    shapes = [
        shape
        for position, (name, value) in enumerate(rows.items())
        for shape in _bar(BAR_HEIGHT * position, name, value / longest, f"{value:,.{digits}f} {unit}")
    ]
    return Chart(label, shapes, height=BAR_HEIGHT * len(rows))


def _bar(top: float, name: str, share: float, value: str) -> Iterator[Shape]:
    length = share * (WIDTH - NAME_WIDTH - VALUE_WIDTH)
    yield Bar("succeeded", NAME_WIDTH, top + 3, length, BAR_HEIGHT - 6, name, rounded=2)
    yield Text("name", NAME_WIDTH - 8, top + 15, _short(name), "end")
    yield Text("value", NAME_WIDTH + length + 6, top + 15, value, "start")


def _stacked(column: Mapping[str, int]) -> Iterator[tuple[str, int, int]]:
    below = 0
    for style, count in column.items():
        if count:
            yield style, below, count
        below += count


def _column(x: float, width: float, y: Scale, below: float, count: float, style: str, title: str) -> Bar:
    top, bottom = _y(y, below + count), _y(y, below)
    return Bar(style, x + 0.5, top, max(width - 1, 0.5), bottom - top, title)


def _dot(point: Point, x: Scale, y: Scale) -> Dot:
    title = f"{point.response_ms:.1f} ms at {point.at_s:.1f} s, {point.style}"
    return Dot(point.style, _x(x, point.at_s), _y(y, point.response_ms), title)


def _dots(styles: Sequence[str]) -> list[tuple[str, str, str]]:
    return [("dot", style, style) for style in styles]


def _places(samples: Sequence[tuple[float, float]], x: Scale, y: Scale) -> list[tuple[float, float]]:
    return [(_x(x, at_s), _y(y, load)) for at_s, load in samples[:: -(-len(samples) // MAX_POINTS_PER_LINE)]]


def _frame(x: Scale, y: Scale, x_title: str, y_title: str) -> Frame:
    x_ticks = [(_x(x, tick), tick_label(tick)) for tick in _roomy(x, WIDTH - LEFT - RIGHT, 44)]
    y_ticks = [(_y(y, tick), tick_label(tick)) for tick in _roomy(y, HEIGHT - TOP - BOTTOM, 16)]
    return Frame(x_title, y_title, x_ticks, y_ticks)


def _roomy(scale: Scale, length: float, least: float) -> list[float]:
    """All ticks where they lie far enough apart, else every second, third, ... of them."""
    nearest = min(scale.position(b) - scale.position(a) for a, b in pairwise(scale.ticks)) * length
    return list(scale.ticks[:: max(1, -int(-least // nearest))])


def _x(scale: Scale, value: float) -> float:
    return LEFT + scale.position(value) * (WIDTH - LEFT - RIGHT)


def _y(scale: Scale, value: float) -> float:
    return HEIGHT - BOTTOM - scale.position(value) * (HEIGHT - TOP - BOTTOM)


def _short(name: str) -> str:
    return name if len(name) <= 20 else f"{name[:9]}…{name[-10:]}"
