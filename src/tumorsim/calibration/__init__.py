"""Calibration: free parameters of scenarios fitted to reported figures.

A calibration file names studies (scenarios with their targets), free parameters with
priors, and how much work each stage may cost. The stages run in order: screening
(Morris), optimisation (CMA-ES with common random numbers), the winner on fresh seeds,
the posterior (approximate Bayesian computation), recovery on synthetic studies, rival
mechanisms. Every simulation is one line of a log, so that a killed run goes on where
it stopped. Docs: docs/theory/calibration.md.
"""
