"""Stores that live as long as their process."""
