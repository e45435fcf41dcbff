"""Reads evidence from others: pprof profiles, execution traces, gctrace logs, and what compilers say of escapes."""
