"""Which `go` statements of a watched process look like leaks, by its counts and by readings of its memory."""
