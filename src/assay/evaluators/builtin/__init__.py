"""The evaluator types, one file each."""
