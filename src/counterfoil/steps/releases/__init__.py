"""Releases: registration, aliases, promotion."""
