"""From the store's series to findings: what grows, since when, how surely, and what each witness says."""
