"""Pure functions over Arrow tables and arrays: no I/O, no clock, no server."""
