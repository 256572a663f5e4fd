-- A confirmed payment speaks only for what is nearly its copy, as far as its reach; nothing is taken as good beside it.
DELETE FROM overlay_reference WHERE NOT confirmed;
ALTER TABLE overlay_reference DROP COLUMN confirmed;
ALTER TABLE overlay_reference DROP COLUMN vector;
ALTER TABLE overlay_reference RENAME COLUMN asked TO vector;
ALTER TABLE overlay_reference ADD COLUMN reach double precision NOT NULL DEFAULT 0.99;
