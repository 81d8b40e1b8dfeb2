"""`python -m crantdb` is `crantdb`."""

from crantdb.cli.main import main

main()
