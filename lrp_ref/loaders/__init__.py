"""Bytes on disk to a Network: one file per format; third-party imports stay inside the functions."""
