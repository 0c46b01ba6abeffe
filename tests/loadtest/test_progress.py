"""The progress of a run, on a terminal and in a log."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartgrid.loadtest.progress import BAR_WIDTH, Progress, Tally, progress_line
from smartgrid.loadtest.request import Result


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def tally(asked: int, succeeded: int = 0, rejected: int = 0, failed: int = 0) -> Tally:
    return Tally(asked, counts={Result.SUCCEEDED: succeeded, Result.REJECTED: rejected, Result.FAILED: failed})


def test_a_line_shows_how_much_is_done_and_how_it_ended() -> None:
    line = progress_line(tally(100, succeeded=47, rejected=2, failed=1), 31)
    assert line == "[############------------]  50/100    31 s  47 succeeded, 2 rejected, 1 failed"


def test_cars_that_wait_are_shown_while_there_are_any() -> None:
    assert progress_line(Tally(100, waiting=3), 31).endswith("0 failed, 3 waiting")


@given(st.integers(1, 1000), st.data())
def test_the_bar_never_grows_or_shrinks(asked: int, data: st.DataObject) -> None:
    done = data.draw(st.integers(0, asked))
    line = progress_line(tally(asked, succeeded=done), 0)
    assert len(line.split("]")[0]) == BAR_WIDTH + 1
    assert ("-" not in line) == (done == asked)


def test_a_terminal_gets_one_line_over_and_over() -> None:
    stream = Terminal()
    progress = Progress(stream, tally(2, succeeded=1))
    progress.show()
    progress.close()
    assert stream.getvalue().count("\r\x1b[K") == 2
    assert stream.getvalue().count("\n") == 1


def test_a_log_gets_plain_lines() -> None:
    stream = io.StringIO()
    progress = Progress(stream, tally(2, succeeded=1))
    progress.show()
    assert stream.getvalue().endswith("1 succeeded, 0 rejected, 0 failed\n")
    assert "\r" not in stream.getvalue()


@pytest.mark.parametrize("stream", [Terminal(), io.StringIO()])
def test_a_terminal_is_refreshed_more_often_than_a_log(stream: io.StringIO) -> None:
    assert (Progress(stream, tally(1)).interval_s < 1) == stream.isatty()


def test_the_last_state_is_not_logged_twice() -> None:
    stream = io.StringIO()
    progress = Progress(stream, tally(1, succeeded=1))
    progress.show()
    progress.close()
    assert stream.getvalue().count("\n") == 1
