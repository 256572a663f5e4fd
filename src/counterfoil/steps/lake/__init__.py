"""What every step stands on: the query engine, runs, publication and the state of the lake."""
