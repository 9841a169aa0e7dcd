"""What people see: tables, CSV files, progress."""
