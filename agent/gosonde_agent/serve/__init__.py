"""Answers to others: local queries and metrics."""
