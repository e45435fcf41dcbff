"""What only a stopped thread shows: its registers, taken by ptrace while the whole process stands for a moment."""
