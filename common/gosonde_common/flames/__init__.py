"""Stacks as pictures: a tree of calls, a flame graph in one file, and what speedscope opens."""
