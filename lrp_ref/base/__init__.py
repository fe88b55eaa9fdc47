"""What knows neither layers nor rules: the array libraries, frozen values, tables of text.

Machinery: it serves this package, not its users, and may change from one version to the next.
"""
