"""One workspace: its settings, its stores, and the work that needs several of them at once."""
