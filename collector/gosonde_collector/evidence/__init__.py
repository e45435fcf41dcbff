"""Reads evidence from others: pprof profiles, gctrace logs, and what compilers say of escapes."""
