"""The compiled hot path; everything else is in pyproject.toml.

It is optional: where there is no C compiler, the twin in Python serves, and a run says so.
"""

from setuptools import Extension, setup

setup(ext_modules=[Extension("rnnprof._marks", ["rnnprof/_marks.c"], optional=True)])
