"""The `gosonde` command."""
