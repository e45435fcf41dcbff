"""Boots kernels of distributions in an emulator and runs gosonde on them: `make test-kernels`."""
