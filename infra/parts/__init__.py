"""One concept a file; the stacks beside this folder wire them and grant rights."""
