"""Frozen parameter classes, one a process, same file names as ``kernels/``."""
