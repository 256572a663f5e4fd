"""Forget an account, change the key of the keyed hashes."""
