"""Proves from outside that blocked goroutines can never be woken: nothing alive reaches what they wait for."""
