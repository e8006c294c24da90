"""`python -m lthctl`."""

from lthctl.cli import main

main()
