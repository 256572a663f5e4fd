-- Who has a claim: the number that he keeps locked for as long as he lives.
ALTER TABLE input_file ADD COLUMN claimed_by bigint;
