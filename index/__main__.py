"""`python -m index` is `triton-index`."""

import sys

from index.cli import main

sys.exit(main())
