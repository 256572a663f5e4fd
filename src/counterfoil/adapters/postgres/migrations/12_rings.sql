-- Cases of linked accounts that are worked on as one: `ring` names the case that leads them. Each stays the case of its
-- own account, so that an account can be forgotten and its hash can follow a change of the key.
ALTER TABLE desk_case ADD COLUMN ring text COLLATE "C" REFERENCES desk_case ON DELETE SET NULL CHECK (ring <> case_id);
CREATE INDEX desk_case_ring ON desk_case (ring);
