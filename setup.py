"""One distribution, `holdfast`: scheduler, executor, command line and playground."""

import pathlib
import re

from setuptools import find_packages, setup

ROOT = pathlib.Path(__file__).parent
SOURCES = {
    "holdfast": "scheduler",
    "holdfast_executor": "executor",
    "holdfast_cli": "cli",
    "holdfast_playground": "playground",
}
VERSION = re.search(
    r'__version__ = "([^"]+)"', (ROOT / "scheduler/holdfast/__init__.py").read_text()
)
assert VERSION

setup(
    name="holdfast",
    version=VERSION.group(1),
    description="Runs stateful services on Apache Mesos and DC/OS, next to their data",
    long_description=(ROOT / "README.md").read_text(),
    long_description_content_type="text/markdown",
    python_requires=">=3.11",
    packages=[
        name
        for top, folder in SOURCES.items()
        for name in [top, *(f"{top}.{sub}" for sub in find_packages(f"{folder}/{top}"))]
    ],
    package_dir={top: f"{folder}/{top}" for top, folder in SOURCES.items()},
    package_data={top: ["py.typed"] for top in SOURCES},
    install_requires=[
        "addict>=2.4",
        "argon2-cffi>=23.1",
        "click>=8.1",
        "cryptography>=45",
        "fastapi>=0.110",
        "immutables>=0.20",
        "kazoo>=2.11",
        "orjson>=3.9",
        "python-multipart>=0.0.9",
        "prometheus_client>=0.19",
        "pydantic>=2.6",
        "PyJWT>=2.8",
        "PyYAML>=6.0",
        "requests>=2.31",
        "rich>=13.0",
        "sortedcontainers>=2.4",
        "sse-starlette>=3.0",
        "sseclient-py>=1.8",
        "structlog>=23.1",
        "typing_extensions>=4.12",
        "urllib3>=2.3",
        "uvicorn>=0.27",
    ],
    extras_require={
        "package": ["jsonschema>=4.20", "pex>=2.100"],
        "playground": ["psutil>=5.9", "pypi-simple>=1.3"],
        "test": [
            "httpx>=0.27",
            "hypothesis>=6.90",
            "import-linter>=2.0",
            "jsonschema>=4.20",
            "mkdocs-material>=9.7",
            "mypy>=1.8",
            "pex>=2.100",
            "psutil>=5.9",
            "pypi-simple>=1.3",
            "pytest>=8.0",
            "pytest-timeout>=2.2",
            "pytest-xdist>=3.5",
            "redis>=5.0",
            "ruff>=0.4",
            "schemathesis>=4.32",
            "sortedcontainers-stubs>=2.4",
            "types-PyYAML",
            "types-psutil",
            "types-requests",
        ],
    },
    entry_points={
        "console_scripts": [
            "holdfast=holdfast_cli.main:main",
            "holdfast-scheduler=holdfast.main:main",
        ]
    },
)
