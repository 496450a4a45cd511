"""What things are: frozen records that every other part passes along, with no I/O and no clock."""
