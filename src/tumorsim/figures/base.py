"""What every figure gets, declares and answers for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from tumorsim.variables import TrialData

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing


class FigureError(ValueError):
    """A figure that cannot be drawn as asked; the message names the choices."""


@dataclass(frozen=True)
class StudyView:
    """Everything a figure or the report reads from one finished study.

    Attributes
    ----------
    data
        The trial's arrays and axes.
    summary
        The stored summary: arms, comparisons, targets; times in months, missing is None.
    curves
        Kaplan-Meier columns by end point and arm name, each of shape ``[step]``: ``time`` (months),
        ``survival``, ``lower``, ``upper``, ``at_risk``, ``events``, ``censored``.
    infusions
        Planned infusions by arm name, months; arms without a common plan are missing.
    """

    data: TrialData
    summary: Mapping[str, Any]
    curves: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(repr=False)
    infusions: Mapping[str, Sequence[float]] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Option:
    """One choice a figure offers.

    Attributes
    ----------
    name
        Keyword of `Figure.draw`.
    default
        Value when not given; its type is the type asked for. None: any of ``kind``.
    doc
        One sentence.
    choices
        The values allowed; empty when the study or a range decides.
    kind
        Type of the value.
    """

    name: str
    default: Any
    doc: str
    choices: tuple[Any, ...] = ()
    kind: type = str

    def read(self, value: Any) -> Any:
        """The value in the declared type.

        Raises
        ------
        FigureError
            Wrong type, or none of the choices.
        """
        if value is None:
            return self.default
        try:
            read = self.kind(value)
        except (TypeError, ValueError):
            example = self.default if self.default is not None else self.kind(1)
            raise FigureError(
                f"{self.name}: {value!r} is not a {self.kind.__name__}, e.g. {self.name}={example}"
            ) from None
        if self.choices and read not in self.choices:
            raise FigureError(f"{self.name}: {read!r} is none of {', '.join(map(str, self.choices))}")
        return read


V = TypeVar("V")


@dataclass(frozen=True)
class Kind(Generic[V]):
    """What a figure declares, whatever it is drawn from.

    Attributes
    ----------
    name
        What ``tumorsim plot NAME`` calls it.
    title
        Heading in the report.
    description
        One or two sentences: what it shows and how to read it.
    render
        ``render(source, **options)`` with every option given; called inside `style.journal`.
    options
        What can be chosen.
    """

    name: str
    title: str
    description: str
    render: Callable[..., Drawing] = field(repr=False)
    options: tuple[Option, ...] = ()
    source: ClassVar[str] = "trial"  # or "spatial", "calibration", "sweep", "sensitivity": what it is drawn from

    def read(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Every option with its value, defaults filled in."""
        known = {option.name: option for option in self.options}
        for name in options:
            if name not in known:
                raise FigureError(f"{self.name} has no option {name!r}; it has: {', '.join(known) or 'none'}")
        return {name: option.read(options.get(name)) for name, option in known.items()}

    def check(self, view: V) -> None:
        """Refuse what lacks something that the figure needs."""

    def draw(self, view: V, **options: Any) -> Drawing:
        """The figure as a free-standing `matplotlib.figure.Figure`.

        Nothing of matplotlib's global state is left changed: no pyplot, and the
        style is put back.

        Parameters
        ----------
        view
            What it is drawn from: a study, a spatial study, or the outcome of a calibration with every key of its
            layout.
        **options
            Any of `options` by name; None means the default.

        Raises
        ------
        FigureError
            An unknown option or value, or a view that lacks what the figure needs.
        """
        from tumorsim.figures.style import journal

        chosen = self.read(options)
        self.check(view)
        with journal():
            return self.render(view, **chosen)


K = TypeVar("K", bound=Kind[Any])


def named(figures: Sequence[K], name: str, of: str = "") -> K:
    """The figure of a name; ``of`` says in words what ``figures`` are drawn from.

    Raises
    ------
    FigureError
        No such figure; the message lists the names.
    """
    for declared in figures:
        if declared.name == name:
            return declared
    names = ", ".join(figure.name for figure in figures)
    raise FigureError(f"{name!r} is no figure{of}; {'those' if of else 'figures'} are: {names}")


@dataclass(frozen=True)
class Figure(Kind[StudyView]):
    """One kind of figure of a study.

    Attributes
    ----------
    settings
        Settings it fits: ``adjuvant``, ``advanced`` or both.
    """

    settings: tuple[str, ...] = ("adjuvant", "advanced")

    def check(self, view: StudyView) -> None:
        """Refuse a study whose setting the figure does not fit."""
        if view.data.setting not in self.settings:
            raise FigureError(
                f"{self.name} needs measured lesions, and this study is {view.data.setting}; "
                f"figures that fit: {', '.join(fitting(view.data.setting))}"
            )


def fitting(setting: str) -> tuple[str, ...]:
    """Names of the figures that fit a setting."""
    from tumorsim.figures import FIGURES

    return tuple(figure.name for figure in FIGURES if setting in figure.settings)


WIDTH = Option(
    "width", "double", "Journal column: single (3.5 in) or double (7 in).", ("single", "double")
)  # fmt: skip
