"""What two processes promise each other: bodies, headers, the numbers of tries, the status, the trace."""
