"""Raw files to transactions, transactions to source IPs."""
