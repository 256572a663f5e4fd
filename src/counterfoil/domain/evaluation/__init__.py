"""How good scores are: metrics, intervals, alert budgets, the gate."""
