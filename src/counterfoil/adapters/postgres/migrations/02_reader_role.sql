DO $$
BEGIN
    CREATE ROLE counterfoil_reader NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;  -- roles belong to the cluster: another database of it has made this one
END
$$;
GRANT counterfoil_reader TO CURRENT_USER;
GRANT SELECT ON reference, reference_base, schema_migration TO counterfoil_reader;
