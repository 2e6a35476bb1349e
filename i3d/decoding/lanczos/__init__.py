"""Pillow's LANCZOS to 340 x 256 in vector instructions; docs/lanczos.md explains it, and how to change it."""
