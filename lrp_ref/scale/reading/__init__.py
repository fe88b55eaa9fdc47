"""What is made of the answers: samples in batches, measures, strongest samples, files for other programs."""
