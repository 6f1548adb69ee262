"""Provider kinds, one file each."""
