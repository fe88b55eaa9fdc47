"""The method: start, rules node by node, the walk forward and back, ledger, trace and explanation."""
