"""The same checks as ``.ci/run`` on several Python versions, and on the oldest dependencies allowed."""

import nox

nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["tests", "lint"]
VERSIONS = ["3.11", "3.12", "3.13"]


@nox.session(python=VERSIONS)
def tests(session: nox.Session) -> None:
    """Fast tests on each Python."""
    session.install("-e", ".[dev]")
    session.run("pytest", "-m", "not slow and not medium", "-n", "2", "--dist", "loadfile", "-q", *session.posargs)


@nox.session(python=VERSIONS[0], venv_backend="uv")
def lowest(session: nox.Session) -> None:
    """Fast tests on the lower bounds of pyproject.toml."""
    session.install("-e", ".[test]", "--resolution", "lowest-direct")
    session.run("pytest", "-m", "not slow and not medium", "-n", "2", "--dist", "loadfile", "-q", *session.posargs)


@nox.session(python=VERSIONS[0])
def lint(session: nox.Session) -> None:
    """Layout, rules, types and the direction of imports."""
    session.install("-e", ".[dev]")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    session.run("lint-imports", env={"PYTHONPATH": "src"})


@nox.session(python=VERSIONS[0])
def docs(session: nox.Session) -> None:
    """The HTML documentation, warnings as errors."""
    session.install("-e", ".[docs]")
    session.run("sphinx-build", "-W", "--keep-going", "-b", "html", "docs", "docs/_build/html")


@nox.session(python=VERSIONS[0])
def bench(session: nox.Session) -> None:
    """The benchmarks beside their peers, e.g. ``nox -s bench -- --quick``; see benchmarks/README.md."""
    session.install("-e", ".[dev,peers]")
    session.run("python", "-m", "benchmarks", *session.posargs)
