"""Programs 1 and 2: the operator, which keeps triggers and configuration as the resources say, and the injector.

Of the package `kubernetes` they use the asynchronous half. Its own `__init__` would import the other half as well, with
`requests`, `oauthlib` and `websocket`, which nobody here calls: a quarter of a second of each start, and 6 MiB. So that
file is not run; whoever imports a part of the package gets that part.
"""

import sys
from importlib.util import find_spec, module_from_spec

if "kubernetes" not in sys.modules and (_found := find_spec("kubernetes")) is not None:
    sys.modules["kubernetes"] = module_from_spec(_found)
