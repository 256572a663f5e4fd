"""Point-in-time behaviour features: declared once as specs, computed by one compiled fold."""
