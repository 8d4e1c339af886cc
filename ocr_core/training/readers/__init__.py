"""Label files of other programs, brought into our own form."""
