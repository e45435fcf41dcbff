"""What `gosonde check` makes of a trace: which leaks are allowed, the exit code, and reports for CI."""
