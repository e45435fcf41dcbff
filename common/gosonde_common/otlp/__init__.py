"""Sends metrics and events to a receiver of OTLP, from a thread of its own; see docs/otlp.md."""
