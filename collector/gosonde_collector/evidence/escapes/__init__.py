"""Reads what the Go compiler says of escapes, the output of `go build -gcflags='-m -m'`."""
