"""Stores on AWS."""
