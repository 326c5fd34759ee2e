"""Writes to a store without pause while things fail, and finds out what of it was lost."""
