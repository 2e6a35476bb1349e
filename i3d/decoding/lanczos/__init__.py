"""Pillow's LANCZOS to 340 x 256 by vector instructions; docs/lanczos.md says how, and how to change it."""
