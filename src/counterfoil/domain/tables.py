"""The tables of the lake: their names, who publishes them, and in which order."""

TRANSACTIONS = "transactions"

REJECTED_ROWS = "rejected"

ADDRESSES = "addresses"
"""Restricted: with `source_ips`, which is made of it, the only table that holds raw addresses."""


LABELS_TABLE = "labels"
"""What was said of payments after they were collected: append-only."""


SOURCE_IP_TABLE = "source_ips"


SOURCE_IP_DAY_TABLE = "source_ip_days"


EVIDENCE = "evidence"


SCORE_TABLE = "scores"


SCORED_EVIDENCE = "scored_evidence"


FORGOTTEN_TABLE = "forgotten"
"""Restricted: one run for each account."""


PUBLISHED_TABLES = (
    "rejected", "addresses", "source_ips", "source_ip_days", TRANSACTIONS, "scored_evidence", "scores",
)  # fmt: skip
"""In the order of publication: payments become visible after what is said about them, scores last."""


SCORED = ("scored_evidence", "scores")
