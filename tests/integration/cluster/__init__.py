"""The chart in a real cluster of one node: `make test-cluster`."""
