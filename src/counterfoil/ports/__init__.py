"""What the steps ask of the world: one Protocol for each kind of store, implemented under `adapters/`."""
