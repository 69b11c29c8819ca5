"""What pyproject.toml cannot say: the wheel carries configs/ as irisstn/configs."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["irisstn*"]), "irisstn.configs"],
    package_dir={"irisstn.configs": "configs"},
    package_data={
        "irisstn": ["py.typed", "weights/*", "report/*.html"],
        "irisstn.configs": ["*.yaml"],
    },
    exclude_package_data={"irisstn.configs": ["mnist_*.yaml"]},  # of pipelines/
)
