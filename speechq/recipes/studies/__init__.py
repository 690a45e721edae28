"""The studies of ``speechq study``, one file each."""
