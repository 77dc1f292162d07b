"""What runs programs: one folder a backend. NumPy and LLVM are imported here and nowhere above."""
