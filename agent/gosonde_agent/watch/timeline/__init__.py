"""What each goroutine of one process does in a short window: `gosonde trace --perfetto`."""
