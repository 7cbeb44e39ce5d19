"""The table of a sweep, as Python takes it; `tumorsim.open_result` leads here by the file given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tumorsim.common_api import OpenedResult
from tumorsim.sweep_data import SweepData, columns

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class SweepResult(OpenedResult[SweepData]):
    """A finished sweep: opened by `tumorsim.open_result`, returned by `tumorsim.run_sweep`.

    ``result.data.output("hr").values`` has the shape (points, replicates).
    """

    def plot(self, kind: str = "sweep", **options: Any) -> Figure:
        """One figure, as a matplotlib Figure; ``tumorsim plot list`` names the kinds and their options.

        Raises
        ------
        tumorsim.figures.base.FigureError
            No such figure or option, or the sweep lacks what it is drawn from.
        """
        from tumorsim.figures.sweep import figure

        return figure(kind).draw(self.data, **options)

    def to_frame(self) -> pd.DataFrame:
        """A tidy pandas table: one row a run.

        Columns: point, replicate, seed, every factor and output by its name, status (``done``, ``partial`` where some
        patients could not be integrated and are left out, ``failed``). Numbers are in the units of
        ``frame.attrs["units"]``; an output is NaN where its run failed or it cannot be estimated.
        """
        import pandas as pd

        frame = pd.DataFrame(columns(self.data))
        frame["status"] = frame["status"].astype("category")
        units = {factor.name: factor.unit for factor in self.data.factors}
        frame.attrs["units"] = units | {output.name: output.unit for output in self.data.outputs}
        return frame

    def failures(self) -> pd.DataFrame:
        """Runs that failed: run, point, replicate, seed, settings, message, and the arguments that repeat it."""
        import pandas as pd

        names = ["run", "point", "replicate", "seed", "settings", "message", "repeat"]
        return pd.DataFrame(self.stored.summary["failures"], columns=names)

    def to_xarray(self) -> xr.Dataset:
        """The group ``runs`` of the file as an xarray Dataset over point and replicate."""
        import xarray as xr

        return xr.load_dataset(self.path, group="runs", engine="h5netcdf")
