"""The room for compiled code: numba lives here, and nobody above needs to know it."""
