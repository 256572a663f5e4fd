"""Fit a candidate on the past, and choose its settings on blocks of time inside it."""
