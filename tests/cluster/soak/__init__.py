"""A real cluster under faults and orders at random: no acknowledged write may be lost."""
