"""Memories as a file of JSON lines: written, and read back."""
