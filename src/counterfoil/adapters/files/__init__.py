"""Readers of payment files."""
