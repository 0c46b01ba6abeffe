"""A service as a process: settings, logs, clock, readiness, the server and the end in order."""
