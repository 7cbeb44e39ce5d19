"""Shared by all tests; being here puts this folder on the import path (``from toy_trial import make_trial``)."""
