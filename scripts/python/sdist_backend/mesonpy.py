"""The build backend of NumPy."""
from only_metadata import prepare_metadata_for_build_wheel  # noqa: F401
