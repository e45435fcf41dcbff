"""Reads evidence from others: pprof profiles and gctrace logs."""
