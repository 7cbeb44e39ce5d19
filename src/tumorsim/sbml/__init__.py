"""The course of one virtual patient as an SBML model; the equations are stated here once more, on purpose.

`system` holds the model as plain data, `body`, `lesion` and `happenings` state its laws
and events in the terms of SBML, `document` writes and checks the file.
"""
