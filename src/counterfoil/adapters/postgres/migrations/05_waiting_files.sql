ALTER TABLE input_file DROP CONSTRAINT input_file_state_check,
    ADD CONSTRAINT input_file_state_check CHECK (state IN ('claimed', 'released', 'done', 'failed'));
