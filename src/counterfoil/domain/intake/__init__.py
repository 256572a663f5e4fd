"""Raw records to clean transactions: mappings, parsing, reasons for rejection."""
