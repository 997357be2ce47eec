"""The command line. Importing it is cheap: Ray, torch and MLflow are loaded by the commands that need them."""

from service.cli.app import main

__all__ = ["main"]
