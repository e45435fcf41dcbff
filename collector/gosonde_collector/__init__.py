"""The collector: takes in what agents stream and people push, stores it, and says what leaks."""
