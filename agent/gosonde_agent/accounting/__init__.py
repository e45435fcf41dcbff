"""Turns counters and readings of memory into what is reported."""
