"""Refuse a wheel: the figures that the papers print are read from results/ of the checkout."""

import sys

from setuptools import setup

if "bdist_wheel" in sys.argv:
    sys.exit("error: reproduction reads results/ of its checkout: install it by pip install -e packages/reproduction")
setup()
