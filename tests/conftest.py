"""What pytest leaves alone: the mutation command, which has an extra of its own."""

collect_ignore = ["mutants.py", "mutation.py", "mutation_report.py"]
