"""Log likelihoods with their gradients, by Fisher's identity: one compiled E step gives both.

d log p(x | theta) / d theta is the derivative of E_q log p(x, z | theta) with the responsibilities held fixed, so it is a function
of the statistics that the E step sums up anyway. Functions take a family's coordinates as PyMC has them, then data; they return
the log likelihood (0-d) and its gradient by each coordinate array. One file a kind of E step; no Python objects inside.
"""
