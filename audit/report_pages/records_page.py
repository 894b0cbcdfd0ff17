"""The page and the file of records of processing."""

from __future__ import annotations

import json

from highstreet.audit.processing_records import ProcessingRecords
from highstreet.audit.report_pages.page import render_page

__all__ = ["records_files"]

_NAME = "records-of-processing"


def records_files(records: ProcessingRecords) -> dict[str, bytes]:
    """Return file name -> bytes: for programs, and a page to read. Every text is escaped."""
    plain = records.to_dict()
    page = render_page("records.html", records=plain, file_name=f"{_NAME}.json")
    return {
        f"{_NAME}.json": (json.dumps(plain, indent=2, ensure_ascii=False) + "\n").encode(),
        f"{_NAME}.html": page.encode(),
    }
