"""What is told to an address of somebody else's, by HTTP."""
