"""Set-up and tests in other distributions: `make test-distributions`."""
