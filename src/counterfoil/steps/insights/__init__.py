"""What came of the scores: evaluations, thresholds, reports."""
