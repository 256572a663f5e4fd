"""The public face for notebooks and analysts: named queries, the report, and a workspace to work with."""
