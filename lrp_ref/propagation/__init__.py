"""The method: start, rules node by node, the walk forward and back, ledger, trace and explanation.

``plain`` is the method as it is read. ``facts``, ``prepare``, ``walk`` and ``workload`` are machinery: they serve this
package, not its users, and may change from one version to the next.
"""
