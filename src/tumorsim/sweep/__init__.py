"""Sweeps: one scenario at many points of its values, every run kept, none done twice.

``config`` reads the file, ``design`` lays the points, ``runs`` does one of them wherever it is sent, ``shards`` keeps
what is done, ``run`` drives it all, and `tumorsim.store` writes the table that comes of it.
"""
