"""Stands for the build backend of most packages (setuptools)."""
