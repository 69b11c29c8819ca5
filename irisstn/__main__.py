"""`python -m irisstn` is the command `irisstn`."""

from irisstn.cli import main

if __name__ == "__main__":
    main()
