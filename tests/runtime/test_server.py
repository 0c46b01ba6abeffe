"""The server as a process."""

from __future__ import annotations

import signal
import subprocess
import sys

from support.http import answers
from support.ports import free_port
from support.processes import environment, wait_until

# A thread takes the signal that the main thread has blocked, so that nothing wakes the main thread, which alone runs
# the handler: just so it is when the signal comes right before the main thread begins to wait.
PROGRAM = """
import signal, threading, time
from smartgrid.runtime.lifecycle import Lifecycle
from smartgrid.runtime.server import serve
from smartgrid.runtime.settings import ServiceSettings

def app(environ, start_response):
    start_response("200 OK", [])
    return [b""]

threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
serve(app, ServiceSettings(), Lifecycle())
"""


def test_a_signal_that_does_not_wake_the_main_thread_ends_the_service_all_the_same() -> None:
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", PROGRAM], env=environment({"port": port}))
    try:
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/"), 60, "the server answers")

        process.send_signal(signal.SIGTERM)

        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
