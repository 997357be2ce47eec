"""`python -m service.cli`: for where the console script is not on the path, as in a job."""

from service.cli.app import main

if __name__ == "__main__":
    main()
