"""How each program is asked: one module a program, each imports its program only when it records."""
