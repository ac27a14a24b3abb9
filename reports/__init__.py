"""Reports: they read records and nothing else."""
