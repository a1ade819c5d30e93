"""What the windows that a step learns from are taught: one file per method, put together by `make_objective`."""
