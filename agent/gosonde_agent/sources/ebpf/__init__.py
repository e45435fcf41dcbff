"""Counters from uprobes."""
