"""The collector's plain values and errors, and the thread for blocking work."""
