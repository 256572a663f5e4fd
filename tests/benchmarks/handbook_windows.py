"""The Fraud Detection Handbook's window features, written from its description: pandas, one group at a time."""

import pandas as pd

WINDOWS = (1, 7, 30)
DELAY_DAYS = 7


def customer_features(payments: pd.DataFrame) -> pd.DataFrame:
    """Number and mean amount of each customer's payments over the windows, for every payment."""
    return payments.groupby("CUSTOMER_ID", group_keys=False)[list(payments.columns)].apply(_of_customer)


def terminal_features(payments: pd.DataFrame) -> pd.DataFrame:
    """Number of each terminal's payments and share of frauds over windows that end a delay ago."""
    return payments.groupby("TERMINAL_ID", group_keys=False)[list(payments.columns)].apply(_of_terminal)


def _of_customer(payments: pd.DataFrame) -> pd.DataFrame:
    payments = payments.sort_values("TX_DATETIME")
    payments.index = payments["TX_DATETIME"]
    for days in WINDOWS:
        amounts = payments["TX_AMOUNT"].rolling(f"{days}d")
        total, number = amounts.sum(), amounts.count()
        payments[f"CUSTOMER_ID_NB_TX_{days}DAY_WINDOW"] = list(number)
        payments[f"CUSTOMER_ID_AVG_AMOUNT_{days}DAY_WINDOW"] = list(total / number)
    payments.index = payments["TRANSACTION_ID"]
    return payments


def _of_terminal(payments: pd.DataFrame) -> pd.DataFrame:
    payments = payments.sort_values("TX_DATETIME")
    payments.index = payments["TX_DATETIME"]
    late = payments["TX_FRAUD"].rolling(f"{DELAY_DAYS}d")
    late_frauds, late_number = late.sum(), late.count()
    for days in WINDOWS:
        whole = payments["TX_FRAUD"].rolling(f"{DELAY_DAYS + days}d")
        frauds, number = whole.sum() - late_frauds, whole.count() - late_number
        payments[f"TERMINAL_ID_NB_TX_{days}DAY_WINDOW"] = list(number)
        payments[f"TERMINAL_ID_RISK_{days}DAY_WINDOW"] = list(frauds / number)
    payments.index = payments["TRANSACTION_ID"]
    return payments.fillna(0)
