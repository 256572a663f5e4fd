"""Point-in-time behaviour features: declared once as specs, compiled to set-based SQL."""
