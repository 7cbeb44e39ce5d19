"""Models: each can be initialised, advanced and observed."""
