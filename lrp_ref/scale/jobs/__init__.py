"""What is asked: one question about every sample, in chunks that can be done anywhere, in any order."""
