"""Live contexts of a process, by their types in its heap: who can still cancel them, and who waits for them."""
