"""The build backend of xFormers, FlashAttention and vLLM."""
import sys

from only_metadata import prepare_metadata_for_build_wheel  # noqa: F401

__legacy__ = sys.modules[__name__]  # what pip asks for when a package names no backend
