"""The tests, and what they share: `paths`, `toolchains` (Go), `go_programs` (built with it), and real processes."""
