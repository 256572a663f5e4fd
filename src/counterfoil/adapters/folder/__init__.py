"""Tables, locks and keys in a folder."""
