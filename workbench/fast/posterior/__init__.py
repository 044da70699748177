"""The log posterior over unconstrained coordinates with its gradient, in one compiled function for a likelihood of each kind."""
