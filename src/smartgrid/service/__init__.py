"""What every service shares: settings, wire models, problems, logs, metrics, the server and the client."""
