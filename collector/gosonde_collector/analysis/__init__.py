"""Turns the store's series into findings: what grows, since when, how sure that is, and what each witness says."""
