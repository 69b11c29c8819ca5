"""What pyproject.toml cannot say: the wheel carries configs/ as irisstn/configs, and the text of the package page.

That is README.md without its pictures and relative links, which lead to no file there.
"""

import re
from pathlib import Path

from setuptools import find_packages, setup

text = Path(__file__).with_name("README.md").read_text(encoding="utf-8")
text = re.sub(r"^!\[[^\]]*\]\([^)]*\)\n+", "", text, flags=re.MULTILINE)
text = re.sub(r"\[([^\]]+)\]\((?!https?://)[^)]*\)", r"\1", text)

setup(
    long_description=text,
    long_description_content_type="text/markdown",
    packages=[*find_packages(include=["irisstn*"]), "irisstn.configs"],
    package_dir={"irisstn.configs": "configs"},
    package_data={
        "irisstn": ["py.typed", "weights/*", "report/*.html"],
        "irisstn.configs": ["*.yaml"],
    },
    exclude_package_data={"irisstn.configs": ["mnist_*.yaml"]},  # of pipelines/
)
