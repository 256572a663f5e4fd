"""What alerts cost and bring."""

import math
from dataclasses import dataclass

from counterfoil.errors import UsageError


@dataclass(frozen=True)
class AlertCosts:
    """What alerts cost and bring, in units of the payments' currency. The defaults are assumptions: give your own.

    `cost_per_alert` is paid for each alert: ten minutes of an analyst who costs 30 an hour. `cost_per_false_alarm`
    is paid on top where the payment was good: a customer who was bothered, a sale that was lost. `recovered` in
    [0, 1] is the share of a caught fraud's amount that is saved: all of it if the payment is stopped in time.
    Raises UsageError for values below 0, for shares above 1, and for those that are no finite numbers.
    """

    cost_per_alert: float = 5.0
    cost_per_false_alarm: float = 5.0
    recovered: float = 1.0

    def __post_init__(self) -> None:
        for name, most in (("cost_per_alert", math.inf), ("cost_per_false_alarm", math.inf), ("recovered", 1.0)):
            value = getattr(self, name)
            if not (math.isfinite(value) and 0 <= value <= most):
                bounds = "0 or more" if most == math.inf else "between 0 and 1"
                raise UsageError(f"{name} must be {bounds}, not {value}")
