"""A scoreboard: what other programs answer to the vectors, as pages made from files of results."""
