"""Models that are no networks, rewritten as networks, so that rules, ledgers and exact numbers apply to them."""
