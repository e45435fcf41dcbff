"""Counts goroutines by breakpoints in a program's text: three processes, so that none of them can be missed."""
