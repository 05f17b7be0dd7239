"""Measurements that take minutes; each prints a table and says in its docstring how it is called."""
