-- What the migrations make: pg_dump --schema-only, normalised. Written by `npm run schema`, compared by the tests.
-- For reading, not for loading.

CREATE SCHEMA api;

COMMENT ON SCHEMA api IS 'Inventory and rescues
Everything in this schema is exposed by PostgREST: tables with row level security, security-invoker views, functions.';

CREATE SCHEMA auth;

COMMENT ON SCHEMA auth IS 'Private: who the callers are. Never exposed.';

CREATE SCHEMA postern;

COMMENT ON SCHEMA postern IS 'Private: what the gateway itself needs. Never exposed to callers.';

CREATE TABLE api.products (
    id bigint NOT NULL,
    serial_number text NOT NULL,
    title text NOT NULL,
    weight_lbs double precision NOT NULL,
    quantity integer DEFAULT 0 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT quantity_is_not_negative CHECK ((quantity >= 0)),
    CONSTRAINT serial_number_has_1_to_100_characters CHECK (((length(serial_number) >= 1) AND (length(serial_number) <= 100))),
    CONSTRAINT title_has_1_to_200_characters CHECK (((length(title) >= 1) AND (length(title) <= 200))),
    CONSTRAINT weight_lbs_is_positive_and_finite CHECK (((weight_lbs > (0)::double precision) AND (weight_lbs < 'Infinity'::double precision)))
);

COMMENT ON TABLE api.products IS 'A product in the inventory. Its quantity never falls below zero.';

CREATE FUNCTION api.add_quantity(product_id bigint, quantity integer) RETURNS SETOF api.products
    LANGUAGE sql ROWS 1
    SET search_path TO ''
    AS $$
  update api.products as product
  set quantity = product.quantity + add_quantity.quantity
  where product.id = add_quantity.product_id
  returning product.*
$$;

COMMENT ON FUNCTION api.add_quantity(product_id bigint, quantity integer) IS 'Adds to the quantity of a product, or takes from it, and returns the product.';

CREATE FUNCTION postern.reload_after_ddl() RETURNS event_trigger
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  -- Temporary tables come and go with every session that uses them.
  if exists (
    select
    from pg_catalog.pg_event_trigger_ddl_commands() as command
    where command.schema_name is distinct from 'pg_temp'
  ) then
    notify pgrst, 'reload schema';
  end if;
end
$$;

COMMENT ON FUNCTION postern.reload_after_ddl() IS 'Tells PostgREST that something was created or altered.';

CREATE FUNCTION postern.reload_after_drop() RETURNS event_trigger
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  if exists (
    select
    from pg_catalog.pg_event_trigger_dropped_objects() as dropped
    where not dropped.is_temporary
      and dropped.object_type in (
        'schema', 'table', 'table column', 'table constraint', 'foreign table', 'view', 'materialized view',
        'function', 'type', 'domain constraint', 'cast', 'rule'
      )
  ) then
    notify pgrst, 'reload schema';
  end if;
end
$$;

COMMENT ON FUNCTION postern.reload_after_drop() IS 'Tells PostgREST that something was dropped.';

CREATE FUNCTION postern.touch_updated_at() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  new.updated_at := now();
  return new;
end
$$;

COMMENT ON FUNCTION postern.touch_updated_at() IS 'Trigger: sets updated_at of a changed row to the time of its transaction.';

ALTER TABLE api.products ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME api.products_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE api.rescues (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    name text NOT NULL,
    age integer NOT NULL,
    species text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT age_is_0_to_150 CHECK (((age >= 0) AND (age <= 150))),
    CONSTRAINT name_has_1_to_100_characters CHECK (((length(name) >= 1) AND (length(name) <= 100))),
    CONSTRAINT species_has_1_to_100_characters CHECK (((length(species) >= 1) AND (length(species) <= 100)))
);

COMMENT ON TABLE api.rescues IS 'A rescued animal. Its age is in years.';

CREATE VIEW api.rescue_counts WITH (security_invoker='true') AS
 SELECT species,
    count(*) AS count
   FROM api.rescues
  GROUP BY species;

COMMENT ON VIEW api.rescue_counts IS 'How many rescues there are of each species.';

ALTER TABLE ONLY api.products
    ADD CONSTRAINT products_pkey PRIMARY KEY (id);

ALTER TABLE ONLY api.rescues
    ADD CONSTRAINT rescues_pkey PRIMARY KEY (id);

ALTER TABLE ONLY api.products
    ADD CONSTRAINT serial_number_is_unique UNIQUE (serial_number);

CREATE TRIGGER touch_updated_at BEFORE UPDATE ON api.products FOR EACH ROW EXECUTE FUNCTION postern.touch_updated_at();

CREATE TRIGGER touch_updated_at BEFORE UPDATE ON api.rescues FOR EACH ROW EXECUTE FUNCTION postern.touch_updated_at();

CREATE POLICY anyone_may_read ON api.products FOR SELECT TO anon, authenticated USING (true);

CREATE POLICY anyone_may_read ON api.rescues FOR SELECT TO anon, authenticated USING (true);

CREATE POLICY authenticated_may_write ON api.products TO authenticated USING (true) WITH CHECK (true);

CREATE POLICY authenticated_may_write ON api.rescues TO authenticated USING (true) WITH CHECK (true);

ALTER TABLE api.products ENABLE ROW LEVEL SECURITY;

ALTER TABLE api.rescues ENABLE ROW LEVEL SECURITY;

GRANT USAGE ON SCHEMA api TO anon;
GRANT USAGE ON SCHEMA api TO authenticated;

REVOKE USAGE ON SCHEMA public FROM PUBLIC;

GRANT SELECT ON TABLE api.products TO anon;
GRANT SELECT,DELETE ON TABLE api.products TO authenticated;

GRANT INSERT(serial_number),UPDATE(serial_number) ON TABLE api.products TO authenticated;

GRANT INSERT(title),UPDATE(title) ON TABLE api.products TO authenticated;

GRANT INSERT(weight_lbs),UPDATE(weight_lbs) ON TABLE api.products TO authenticated;

GRANT UPDATE(quantity) ON TABLE api.products TO authenticated;

REVOKE ALL ON FUNCTION api.add_quantity(product_id bigint, quantity integer) FROM PUBLIC;
GRANT ALL ON FUNCTION api.add_quantity(product_id bigint, quantity integer) TO authenticated;

REVOKE ALL ON FUNCTION postern.reload_after_ddl() FROM PUBLIC;

REVOKE ALL ON FUNCTION postern.reload_after_drop() FROM PUBLIC;

REVOKE ALL ON FUNCTION postern.touch_updated_at() FROM PUBLIC;

GRANT SELECT ON TABLE api.rescues TO anon;
GRANT SELECT,DELETE ON TABLE api.rescues TO authenticated;

GRANT INSERT(name),UPDATE(name) ON TABLE api.rescues TO authenticated;

GRANT INSERT(age),UPDATE(age) ON TABLE api.rescues TO authenticated;

GRANT INSERT(species),UPDATE(species) ON TABLE api.rescues TO authenticated;

GRANT SELECT ON TABLE api.rescue_counts TO anon;
GRANT SELECT ON TABLE api.rescue_counts TO authenticated;

ALTER DEFAULT PRIVILEGES REVOKE ALL ON FUNCTIONS FROM PUBLIC;

CREATE EVENT TRIGGER postern_reload_after_ddl ON ddl_command_end
         WHEN TAG IN ('CREATE SCHEMA', 'ALTER SCHEMA', 'CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO', 'ALTER TABLE', 'CREATE FOREIGN TABLE', 'ALTER FOREIGN TABLE', 'CREATE VIEW', 'ALTER VIEW', 'CREATE MATERIALIZED VIEW', 'ALTER MATERIALIZED VIEW', 'CREATE FUNCTION', 'ALTER FUNCTION', 'CREATE TYPE', 'ALTER TYPE', 'CREATE DOMAIN', 'ALTER DOMAIN', 'CREATE CAST', 'CREATE RULE', 'COMMENT')
   EXECUTE FUNCTION postern.reload_after_ddl();

CREATE EVENT TRIGGER postern_reload_after_drop ON sql_drop
   EXECUTE FUNCTION postern.reload_after_drop();
