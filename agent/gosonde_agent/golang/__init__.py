"""What is known of a Go binary: ELF image, build info, pclntab, runtime layout, and proved probe points."""
