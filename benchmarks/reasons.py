"""Why goals are missed and what was tried, by the name of the work; the page of the documentation prints them.

A reason belongs to a figure that was measured on a free machine. Take it out when the goal is met.
"""

REASONS: dict[str, str] = {}
