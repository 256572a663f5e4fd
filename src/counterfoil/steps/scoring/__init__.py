"""Score payments by a release, and score them again for proof."""
