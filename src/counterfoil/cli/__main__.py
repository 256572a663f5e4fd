"""`python -m counterfoil.cli`: the CLI of this very interpreter, for processes that start another one."""

from counterfoil.cli import main

main()
