"""Releases in MLflow."""
