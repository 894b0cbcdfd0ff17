"""Pages of reports for a file on data protection: plain HTML with drawings in it, without scripts."""
