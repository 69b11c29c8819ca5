"""Where bytes lie: a folder on disk (`local`), or at a URL (`remote`, by fsspec); one run at a time in it (`lock`)."""
