"""What is told of runs and comparisons while they are made: to a file, to MLflow, to your own."""
