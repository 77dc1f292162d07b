"""Benchmarks that print ratios: each row runs under alight and, beside it in the same run, under a rival by name."""
