"""`python -m lthctl`."""

from lthctl.cli.app import main

main()
