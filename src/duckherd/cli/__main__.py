"""`python -m duckherd.cli` is `duckherd`."""

import sys

from duckherd.cli import main

sys.exit(main())
