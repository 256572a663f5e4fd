"""Scoring over HTTP, and the loop that watches a stream. What they do is in `steps.scoring`."""
