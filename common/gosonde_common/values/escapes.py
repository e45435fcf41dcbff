"""What must be said of objects that a heap profile shows on the lines of a finding."""

from typing import Final

#: Of every number in it.
SAMPLED: Final = "numbers are the runtime's estimates, from a sample for each MemProfileRate bytes (512 KiB by default)"
#: Of objects beside goroutines.
NOT_WHO_HOLDS: Final = "both are on the same lines; the profile does not say whether they hold these objects"
