"""What runs in a processing container: folders in, folders out, and an exit message."""
