"""Tables that fit the terminal, and what is asked of every list: which rows, in which order, how many."""
