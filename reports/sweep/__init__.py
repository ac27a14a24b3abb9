"""Many jobs, one answer: what each job left, and what all of them say."""
