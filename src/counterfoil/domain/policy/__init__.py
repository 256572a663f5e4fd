"""From a signal to a decision."""
