"""`python -m dfd` runs the command `dfd`."""

from dfd.cli.main import main

if __name__ == "__main__":
    main()
