"""Pending timers of a process: read from the Ps' heaps, and searched for in the program's own memory since Go 1.23."""
