"""The demo: a coordinator and six shops as real processes, from empty folders to suggestions and a report."""
