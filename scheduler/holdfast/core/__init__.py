"""The transition function: (event, now) -> effects. No I/O, clock, thread or randomness."""
