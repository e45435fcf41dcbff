"""docs/transcripts.md: what each command prints in a terminal of 80 columns, written and compared by a real run."""
