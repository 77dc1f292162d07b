"""The notes' models trained to the end under PyTorch, the interpreter and compiled code: the same curves?

`program.py` is the training itself, the same source for all three; `__main__.py` runs it and compares.
"""
