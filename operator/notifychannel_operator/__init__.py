"""Programs 1 and 2: the operator, which keeps triggers and configuration as the resources say, and the injector."""
