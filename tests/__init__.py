"""The tests, and what they share: `toolchains` (Go), `go_programs` (programs built with it)."""
