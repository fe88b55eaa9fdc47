"""Concept relevance propagation: explanations by single channels inside a network."""
