"""Which Go processes there are, and which files they run."""
