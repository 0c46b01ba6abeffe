"""The report: its shape, its thresholds, its table and its page."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser

from hypothesis import given, settings
from hypothesis import strategies as st

from smartgrid.loadtest.balance import FleetSample
from smartgrid.loadtest.outcomes import Outcome
from smartgrid.loadtest.page import page_of
from smartgrid.loadtest.report import Run, report_of
from smartgrid.loadtest.request import Result, Verdict, Wait
from smartgrid.loadtest.scenarios import Settings
from smartgrid.loadtest.table import result_text
from smartgrid.loadtest.thresholds import missed_thresholds

SETTINGS = Settings("normal", "http://127.0.0.1:8080", requests=4, users=2, ramp_up_s=1, seed=1, timeout_s=30)
STARTED_AT = datetime(2026, 6, 1, 12, tzinfo=UTC)
VOID_ELEMENTS = {"meta"}


def outcome(index: int, response_ms: float, verdict: Verdict, *, retried: bool = False) -> Outcome:
    return Outcome(index, float(index), float(index), response_ms, 10.0, verdict, retried)


RUN = Run(
    STARTED_AT,
    duration_s=2.0,
    outcomes=[
        outcome(0, 10, Verdict(Result.SUCCEEDED, substation="substation-0")),
        outcome(1, 20, Verdict(Result.SUCCEEDED, substation="substation-1"), retried=True),
        outcome(2, 30, Verdict(Result.REJECTED, reason="503 no-capacity")),
        outcome(3, 40, Verdict(Result.FAILED, reason="connection lost")),
    ],
    fleet=[FleetSample(1, {"substation-0": 40, "substation-1": 60})],
)
NOTHING = Run(STARTED_AT, duration_s=0.0, outcomes=[])

verdicts = st.one_of(
    st.builds(Verdict, st.just(Result.SUCCEEDED), substation=st.text(min_size=1, max_size=30)),
    st.builds(Verdict, st.sampled_from([Result.REJECTED, Result.FAILED]), reason=st.text(min_size=1)),
)
waits = st.builds(Wait, st.floats(0, 1e5), st.none() | st.floats(0, 1e5))
outcomes = st.builds(
    Outcome,
    st.integers(0, 10),
    st.floats(0, 1e5),
    st.floats(0, 1e5),
    st.floats(0, 1e6),
    st.floats(0.5, 60),
    verdicts,
    st.booleans(),
    st.none() | waits,
)
samples = st.builds(FleetSample, st.floats(0, 1e5), st.dictionaries(st.text(max_size=5), st.floats(0, 300), min_size=1))
runs = st.builds(Run, st.just(STARTED_AT), st.just(0.0) | st.floats(1e-3, 1e5), st.lists(outcomes), st.lists(samples))


def test_the_report_has_exactly_the_agreed_shape() -> None:
    assert json.loads(json.dumps(report_of(SETTINGS, RUN))) == {
        "scenario": "normal",
        "settings": {
            "target": "http://127.0.0.1:8080",
            "requests": 4,
            "users": 2,
            "ramp_up_s": 1,
            "seed": 1,
            "timeout_s": 30,
            "wait_s": None,
            "trace": None,
            "speedup": None,
            "min_success_rate": None,
            "max_p95_ms": None,
        },
        "started_at": "2026-06-01T12:00:00.000Z",
        "duration_s": 2.0,
        "requests": {"total": 4, "succeeded": 2, "rejected": 1, "failed": 1},
        "success_rate": 0.5,
        "error_rate": 0.25,
        "response_time_ms": {"average": 25.0, "median": 25.0, "p95": 40, "p99": 40, "max": 40},
        "throughput_rps": 2.0,
        "distribution": {
            "substation-0": {"requests": 1, "energy_kwh": 10.0},
            "substation-1": {"requests": 1, "energy_kwh": 10.0},
        },
        "balance": {"load_percentage_sd": 10.0, "load_percentage_max_deviation": 10.0},
        "waiting": None,
    }


def test_what_was_not_measured_is_null() -> None:
    report = report_of(SETTINGS, NOTHING)
    assert report["success_rate"] is report["error_rate"] is report["throughput_rps"] is None
    assert set(report["response_time_ms"].values()) == set(report["balance"].values()) == {None}
    assert report["distribution"] == {}


@given(runs)
@settings(max_examples=40)
def test_any_run_makes_a_report_in_strict_json(run: Run) -> None:
    report = report_of(SETTINGS, run)
    counts = report["requests"]
    json.dumps(report, allow_nan=False)
    assert counts["total"] == counts["succeeded"] + counts["rejected"] + counts["failed"] == len(run.outcomes)


WITH_WAITS = replace(
    RUN,
    outcomes=[
        *RUN.outcomes,
        replace(outcome(4, 10, Verdict(Result.SUCCEEDED, "substation-0")), wait=Wait(30, told_s=28)),
        replace(
            outcome(5, 10, Verdict(Result.REJECTED, reason="waited in vain: Departed")), wait=Wait(90, told_s=None)
        ),
    ],
)
MAY_WAIT = replace(SETTINGS, wait_s=600)


def test_the_report_tells_how_long_cars_waited() -> None:
    assert report_of(MAY_WAIT, WITH_WAITS)["waiting"] == {
        "waited": 2,
        "started": 1,
        "left": 1,
        "wait_s": {"average": 60, "median": 60, "p95": 90, "p99": 90, "max": 90},
        "start_error_s": {"average": 2, "median": 2, "p95": 2, "p99": 2, "max": 2},
    }


def test_the_table_tells_how_long_cars_waited() -> None:
    text = result_text(report_of(MAY_WAIT, WITH_WAITS), WITH_WAITS)
    assert "2 cars waited: 1 started, 1 left" in text
    assert re.search(r"^wait +60.0 +60.0 +90.0 +90.0 +90.0$", text, re.MULTILINE)
    assert re.search(r"^start off by +2.0 +2.0 +2.0 +2.0 +2.0$", text, re.MULTILINE)


def test_where_nobody_had_to_wait_the_table_says_so() -> None:
    assert "0 cars waited: 0 started, 0 left\n" in result_text(report_of(MAY_WAIT, RUN), RUN)


def test_met_thresholds_say_nothing() -> None:
    assert missed_thresholds(report_of(SETTINGS, RUN), 0.5, 40) == []
    assert missed_thresholds(report_of(SETTINGS, RUN), None, None) == []


def test_each_missed_threshold_says_by_how_much() -> None:
    assert missed_thresholds(report_of(SETTINGS, RUN), 0.95, 35) == [
        "The success rate is 50.00%, 45.00 points below the least allowed 95.00%.",
        "The 95th percentile of the response time is 40.0 ms, 5.0 ms above the most allowed 35 ms.",
    ]


def test_a_threshold_on_nothing_is_missed() -> None:
    assert len(missed_thresholds(report_of(SETTINGS, NOTHING), 0, 1000)) == 2


def test_the_table_shows_the_whole_and_each_substation() -> None:
    text = result_text(report_of(SETTINGS, RUN), RUN)
    assert "Scenario normal: 4 requests in 2.0 s, 2.00 requests/s" in text
    assert re.search(r"^succeeded +2 +50.0%$", text, re.MULTILINE)
    assert re.search(r"^  connection lost +1$", text, re.MULTILINE)
    assert re.search(r"^sent twice +1 +25.0%$", text, re.MULTILINE)
    assert re.search(r"^substation-1 +1 +50.0% +10.0 kWh +60.0 % +60.0 %$", text, re.MULTILINE)
    assert "a standard deviation of 10.0 points, at most 10.0 points from the mean" in text


def test_the_table_tells_of_requests_that_went_out_late() -> None:
    late = replace(RUN.outcomes[0], due_s=0.0, sent_s=0.5)
    run = replace(RUN, outcomes=[late, *RUN.outcomes[1:]])
    assert re.search(r"^sent late +1 +25.0%$", result_text(report_of(SETTINGS, run), run), re.MULTILINE)
    at_once = report_of(replace(SETTINGS, ramp_up_s=0.0), run)
    assert "sent late" not in result_text(at_once, run)


def test_the_table_of_a_stopped_run_says_what_is_missing() -> None:
    cut_off = replace(
        RUN,
        outcomes=RUN.outcomes[:1],
        fleet=[],
        fleet_problem="GET /substations answers 403",
        unanswered=2,
        still_waiting=3,
    )
    text = result_text(report_of(SETTINGS, cut_off), cut_off)
    assert "stopped after 1 of 4 requests in 2.0 s" in text
    assert "2 more had no answer yet and do not count" in text
    assert "3 more still waited and do not count" in text
    assert "balance: not measured: GET /substations answers 403" in text


class Tags(HTMLParser):
    """Fails on elements that are not closed in order; collects what a browser would load or run."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.all: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.all.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data")]
        if tag not in VOID_ELEMENTS:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, _: list[tuple[str, str | None]]) -> None:
        self.all.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def tags_of(page: str) -> Tags:
    tags = Tags()
    tags.feed(page)
    tags.close()
    assert tags.open == []
    return tags


def test_the_page_holds_every_chart_and_loads_nothing() -> None:
    page = page_of(report_of(SETTINGS, RUN), RUN)
    tags = tags_of(page)
    charts = re.findall(r'aria-label="([^"]+)"', page)
    assert charts == [
        "Response times over the run",
        "Histogram of response times",
        "Requests over the run",
        "Load of the substations",
        "cars by substation",
        "kWh by substation",
    ]
    assert not tags.links
    assert not {"script", "link", "img", "iframe"} & set(tags.all)
    assert "@import" not in page
    assert "url(" not in page


def test_the_page_shows_how_long_cars_waited() -> None:
    page = page_of(report_of(MAY_WAIT, WITH_WAITS), WITH_WAITS)
    assert 'aria-label="Histogram of waits"' in page
    assert 'aria-label="Waiting cars over the run"' in page
    assert "cars waited; 1 started, 1 left" in page
    assert "Histogram of waits" not in page_of(report_of(MAY_WAIT, RUN), RUN)


def test_the_page_says_which_threshold_was_missed() -> None:
    strict = replace(SETTINGS, max_p95_ms=35)
    assert "5.0 ms above the most allowed 35 ms" in page_of(report_of(strict, RUN), RUN)


def test_a_substations_name_cannot_become_markup() -> None:
    hostile = outcome(0, 1, Verdict(Result.SUCCEEDED, substation="<script>alert(1)</script>"))
    run = replace(RUN, outcomes=[hostile], fleet=[FleetSample(1, {'"><b>': 1.0})])
    page = page_of(report_of(SETTINGS, run), run)
    assert "script" not in tags_of(page).all
    assert '"><b>' not in page


@given(runs)
@settings(max_examples=20)
def test_any_run_makes_a_whole_page_and_table(run: Run) -> None:
    report = report_of(SETTINGS, run)
    assert "nan" not in re.sub(r">[^<]*<", "><", page_of(report, run))
    tags_of(page_of(report, run))
    assert result_text(report, run)


def test_a_long_run_makes_a_page_of_bounded_size() -> None:
    many = [
        outcome(index, 1 + index % 50, Verdict(Result.SUCCEEDED, substation="substation-0")) for index in range(8_000)
    ]
    slowest = outcome(8_000, 29_999, Verdict(Result.FAILED, reason="no answer in time"))
    run = replace(RUN, outcomes=[*many, slowest], fleet=[FleetSample(at_s, {"a": 1.0}) for at_s in range(10_000)])
    page = page_of(report_of(SETTINGS, run), run)
    assert len(page) < 1_000_000
    assert "29999.0 ms at" in page  # the slowest are always shown
