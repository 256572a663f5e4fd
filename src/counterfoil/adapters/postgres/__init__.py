"""Stores in PostgreSQL, embedded or on RDS."""
