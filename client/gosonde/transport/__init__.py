"""Connections to agents and collectors: who may ask, over what, and what failures mean."""
