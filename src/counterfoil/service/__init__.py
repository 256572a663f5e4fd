"""Scoring over HTTP and from streams. HTTP only: what it does is in `steps.scoring`."""
