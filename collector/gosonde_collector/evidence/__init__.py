"""Evidence that others bring: pprof goroutine profiles in all three formats."""
