"""Evidence that others bring: profiles of pprof, and gctrace logs."""
