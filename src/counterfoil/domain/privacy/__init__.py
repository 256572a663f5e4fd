"""Keyed hashes, card numbers, addresses, and what must go when an account is forgotten."""
