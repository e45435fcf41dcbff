"""Findings as alerts: what each receiver knows, and what it is to be sent."""
