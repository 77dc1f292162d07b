"""Program to program, mathematics only: reverse mode. Knows no tensors and no backends."""
