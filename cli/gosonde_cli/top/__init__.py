"""The live view of `gosonde top`: what is shown, how it becomes a frame, and the terminal that it is shown on."""
