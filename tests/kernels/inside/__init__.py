"""What runs on the kernels that are tried: `tests.kernels.run` names it; a run of all tests does not collect it."""
