"""Reads the Go runtime's own state out of a running process: never stops it, never writes to it, trusts nothing."""
