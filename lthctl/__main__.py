"""`python -m lthctl`, and the console script: nothing heavy is imported before Ctrl-C is caught."""

from lthctl.cli.process import run_as_process as main

if __name__ == "__main__":
    main()
