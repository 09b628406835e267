"""Measuring programs that nobody edited: reading them, rewriting them, and torch's hooks."""
