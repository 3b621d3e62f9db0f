"""`python -m grader` and the `grader` command."""

import sys


def main() -> None:
    try:
        from grader.cli import run

        sys.exit(run(sys.argv[1:]))
    except KeyboardInterrupt:  # while importing; later the command knows what it has kept
        sys.exit(130)


if __name__ == "__main__":
    main()
