"""The collector: receives what agents stream and people push, stores it, and says what leaks."""
