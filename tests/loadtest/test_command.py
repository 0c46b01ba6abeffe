"""`smartgrid loadtest` as a user or a Kubernetes Job meets it: exit codes, output, files, signals."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from loadtest.stub_gateway import Stub, running_stub
from smartgrid.cli import main

HEADER = "arrival,departure,requested_energy (kWh),delivered_energy (kWh)"
PROGRAM = "from smartgrid.cli import main; main(prog_name='smartgrid')"


@pytest.fixture
def stub() -> Iterator[Stub]:
    with running_stub(Stub()) as running:
        yield running


def loadtest(*args: str, env: dict[str, str] | None = None) -> Result:
    """Runs the command in this process."""
    return CliRunner().invoke(main, ["loadtest", *args], env=env)


def started(*args: str) -> subprocess.Popen[str]:
    """Starts the command as a process of its own."""
    command = [sys.executable, "-c", PROGRAM, "loadtest", *args]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_ctrl_c,  # noqa: PLW1509 - no threads in the way here
    )


def hear_ctrl_c() -> None:
    """A shell's background job, as CI may be, ignores SIGINT, and so would whatever it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def sentence(result: Result) -> str:
    """The one line on standard error."""
    (line,) = result.stderr.splitlines()
    return str(line)


def test_a_run_reports_on_screen_in_json_and_as_a_page(stub: Stub, tmp_path: Path) -> None:
    output, html = tmp_path / "results" / "report.json", tmp_path / "report.html"
    process = started(
        *("--scenario", "burst", "--requests", "30", "--users", "5", "--target", stub.url),
        *("--output", str(output), "--html", str(html), "--min-success-rate", "1", "--max-p95-ms", "60000"),
    )
    out, err = process.communicate(timeout=90)
    assert (process.returncode, err) == (0, "")
    assert "[########################] 30/30" in out
    assert "substation-2" in out
    report = json.loads(output.read_text())
    assert report["requests"] == {"total": 30, "succeeded": 30, "rejected": 0, "failed": 0}
    assert sum(row["requests"] for row in report["distribution"].values()) == 30
    assert report["balance"]["load_percentage_max_deviation"] == 10
    assert html.read_text().endswith("</html>\n")


def test_ctrl_c_ends_at_once_with_a_partial_report_and_130(stub: Stub, tmp_path: Path) -> None:
    output = tmp_path / "report.json"
    process = started("--requests", "3", "--ramp-up", "3600", "--target", stub.url, "--output", str(output))
    while not stub.sessions:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=90)
    assert (process.returncode, err) == (130, "")
    stopped = re.search(r"stopped after ([01]) of 3 requests", out)  # 0 if the signal came before the answer was read
    assert stopped
    assert json.loads(output.read_text())["requests"]["total"] == int(stopped[1])


def test_ctrl_c_before_the_first_request_is_130_too(stub: Stub) -> None:
    process = started("--target", stub.url)
    os.kill(process.pid, signal.SIGCONT)  # it exists; now interrupt it while Locust is being imported
    assert process.stdout is not None
    assert process.stdout.readline().startswith("Scenario normal")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=90)
    assert process.returncode == 130


def test_importing_the_command_loads_neither_locust_nor_gevent() -> None:
    check = "import sys, smartgrid.loadtest.main; print({'locust', 'gevent', 'flask'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True).stdout == "set()\n"


def test_a_missed_threshold_is_1_and_says_by_how_much(stub: Stub, tmp_path: Path) -> None:
    stub.fault, stub.every = "full", 2
    output = tmp_path / "report.json"
    result = loadtest(
        "--scenario",
        "burst",
        "--requests",
        "10",
        "--users",
        "1",
        "--target",
        stub.url,
        "--output",
        str(output),
        "--min-success-rate",
        "0.9",
    )
    assert result.exit_code == 1
    assert sentence(result) == "The success rate is 50.00%, 40.00 points below the least allowed 90.00%."
    assert json.loads(output.read_text())["settings"]["min_success_rate"] == 0.9


def test_failures_alone_do_not_change_the_exit_code(stub: Stub) -> None:
    stub.fault = "broken"
    result = loadtest("--scenario", "burst", "--requests", "5", "--target", stub.url)
    assert result.exit_code == 0
    assert "500 internal-error" in result.stdout


def test_garage_replays_a_trace_and_says_what_it_skipped(stub: Stub, tmp_path: Path) -> None:
    trace = tmp_path / "trace.csv"
    rows = [f"2019-05-01 08:0{k}:00-07:00,2019-05-01 10:00:00-07:00,20,{k}.5" for k in range(5)]
    trace.write_text("\n".join([HEADER, *rows, "2019-05-01 09:00:00-07:00,2019-05-01 08:00:00-07:00,20,5"]))
    result = loadtest(
        "--scenario", "garage", "--trace", str(trace), "--speedup", "3600", "--requests", "4", "--target", stub.url
    )
    assert result.exit_code == 0
    assert "5 usable sessions, 1 row skipped (1 x departure not after arrival, in line 7)." in result.stdout
    assert sorted((body["energy_kwh"], body["max_power_kw"]) for body in stub.bodies) == [
        (0.5, 6.6),
        (1.5, 6.6),
        (2.5, 6.6),
        (3.5, 6.6),
    ]
    assert all("departure_time" in body for body in stub.bodies)


def test_every_option_can_come_from_the_environment(stub: Stub) -> None:
    env = {"SCENARIO": "burst", "REQUESTS": "7", "USERS": "2", "TARGET": stub.url, "RAMP_UP": "0"}
    result = loadtest(env={f"SMARTGRID_LOADTEST_{name}": value for name, value in env.items()})
    assert result.exit_code == 0
    assert len(stub.sessions) == 7


@pytest.mark.parametrize(
    ("args", "complaint"),
    [
        (["--scenario", "rush"], "Invalid value for '--scenario': 'rush' is not one of"),
        (["--requests", "0"], "Invalid value for '--requests': 0 is not in the range"),
        (["--users", "many"], "Invalid value for '--users': 'many' is not a valid integer"),
        (["--ramp-up", "-1"], "Invalid value for '--ramp-up': -1.0 is not in the range"),
        (["--max-p95-ms", "nan"], "Invalid value for '--max-p95-ms': 'nan' is not a finite number."),
        (["--max-p95-ms", "inf"], "Invalid value for '--max-p95-ms': 'inf' is not a finite number."),
        (["--min-success-rate", "95"], "Invalid value for '--min-success-rate': 95.0 is not in the range"),
        (["--target", "localhost:8080"], "Invalid value for '--target': 'localhost:8080' is not a URL like"),
        (["--target", "http://u:p@127.0.0.1"], "is not a URL like http://127.0.0.1:8080."),
        (["--target", "http://127.0.0.1:99999"], "is not a URL like http://127.0.0.1:8080."),
        (["--nonsense"], "No such option"),
        (["--scenario", "garage"], "Scenario garage needs --trace FILE, the recorded sessions to replay."),
        (["--scenario", "garage", "--trace", "none.csv"], "Trace file none.csv does not exist."),
        (["--scenario", "garage", "--trace", "none.csv", "--ramp-up", "1"], "--ramp-up has no meaning there."),
        (["--trace", "none.csv"], "Scenario normal makes its own cars; --trace and --speedup belong to"),
        (["--output", "/proc/none/report.json"], "Cannot write /proc/none/report.json: "),
    ],
)
def test_a_bad_option_is_one_sentence_and_2(args: list[str], complaint: str) -> None:
    result = loadtest(*args)
    assert result.exit_code == 2
    assert sentence(result).startswith("Error: ")
    assert complaint in sentence(result)
    assert result.stdout == ""


def test_a_target_that_does_not_answer_is_one_sentence_and_2() -> None:
    result = loadtest("--target", "http://127.0.0.1:1")
    assert result.exit_code == 2
    assert sentence(result).startswith("Error: No service answers as --target: http://127.0.0.1:1 cannot be reached")


def test_without_its_extra_the_load_tester_says_what_to_install(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "locust", None)
    for name in ("smartgrid.loadtest.driver", "smartgrid.loadtest.user"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    result = loadtest("--target", stub.url)
    assert result.exit_code == 2
    assert sentence(result) == "Error: The load tester needs locust: pip install 'smartgrid[loadtest]'."


def test_a_report_that_cannot_be_written_at_the_end_is_one_sentence_and_2(stub: Stub, tmp_path: Path) -> None:
    folder = tmp_path / "results"
    stub.on_charge = lambda: folder.rmdir() if folder.exists() else None
    result = loadtest(
        "--scenario", "burst", "--requests", "1", "--target", stub.url, "--output", str(folder / "report.json")
    )
    assert result.exit_code == 2
    assert sentence(result).endswith("report.json: No such file or directory.")
    assert "Scenario burst: 1 requests" in result.stdout  # what was measured is not lost


SHORT = ("--scenario", "burst", "--requests", "10", "--users", "2")


def test_every_request_carries_the_token_of_the_file_and_the_report_does_not(stub: Stub, tmp_path: Path) -> None:
    token, output = tmp_path / "token", tmp_path / "report.json"
    token.write_text("a.good-token_1\n")
    asked = (*SHORT, "--target", stub.url)

    done = loadtest(*asked, "--token-file", str(token), "--output", str(output), env={"SMARTGRID_TOKEN": "other"})

    assert done.exit_code == 0, done.output
    assert stub.tokens == {"Bearer a.good-token_1"}
    assert "a.good-token_1" not in output.read_text() + done.output


def test_the_token_may_come_from_the_environment(stub: Stub) -> None:
    assert loadtest(*SHORT, "--target", stub.url, env={"SMARTGRID_TOKEN": "from-the.environment"}).exit_code == 0

    assert stub.tokens == {"Bearer from-the.environment"}


def test_without_a_token_none_is_sent(stub: Stub) -> None:
    assert loadtest(*SHORT, "--target", stub.url, env={"SMARTGRID_TOKEN": ""}).exit_code == 0

    assert stub.tokens == {None}


def test_a_token_that_is_none_is_refused_before_anything_is_sent(stub: Stub, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("two words")

    assert "has no token" in sentence(loadtest("--target", stub.url, "--token-file", str(path)))
    assert "cannot be read" in sentence(loadtest("--target", stub.url, "--token-file", str(tmp_path / "absent")))
    assert "SMARTGRID_TOKEN has no token" in sentence(loadtest("--target", stub.url, env={"SMARTGRID_TOKEN": "a\nb"}))
    assert stub.keys == []
