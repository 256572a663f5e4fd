"""Fraud and anomaly detection in payments, where every score names its precedents."""

__version__ = "0.1.0"
