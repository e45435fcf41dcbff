"""The privileged agent: finds Go processes, probes them, reads them, and streams what it learns."""
