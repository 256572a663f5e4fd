ALTER TABLE input_file DROP CONSTRAINT input_file_state_check;
UPDATE input_file SET state = 'unclaimed' WHERE state = 'released';
ALTER TABLE input_file
    ADD CONSTRAINT input_file_state_check CHECK (state IN ('claimed', 'unclaimed', 'done', 'failed'));
