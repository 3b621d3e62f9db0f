"""`python -m grader` and the `grader` command."""

import sys


def main() -> None:
    from grader.cli import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
