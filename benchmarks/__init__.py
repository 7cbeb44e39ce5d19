"""How fast the engine is, how accurate it is at that speed, and on what machine. See README.md."""
