-- What db/migrations make: pg_dump --schema-only, normalised. Written by `npm run schema`, compared by the tests.
-- For reading, not for loading. What the programs of gateway/sql make is not shown.

CREATE SCHEMA api;

COMMENT ON SCHEMA api IS 'Inventory, rescues, todos and users
Everything in this schema is exposed by PostgREST: tables with row level security, security-invoker views, functions.';

CREATE SCHEMA private;

COMMENT ON SCHEMA private IS 'Private: what the tables in api need. Never exposed.';

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
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  update api.products as product
  set quantity = product.quantity + add_quantity.quantity
  where product.id = add_quantity.product_id
  returning product.*
$$;

COMMENT ON FUNCTION api.add_quantity(product_id bigint, quantity integer) IS 'Adds to the quantity of a product, or takes from it, and returns the product.';

CREATE FUNCTION private.choose_rescue_id() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  if new.id is not null then
    lock table private.rescue_id_choices in row exclusive mode;
    return new;
  end if;
  lock table private.rescue_id_choices in share mode;
  loop
    new.id := nextval('private.rescue_ids');
    exit when not exists (select from api.rescues as rescue where rescue.id = new.id);
  end loop;
  return new;
end
$$;

COMMENT ON FUNCTION private.choose_rescue_id() IS 'Trigger: gives a new rescue an id that is free, unless the client chose one.';

CREATE FUNCTION private.keep_profile() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  insert into api.profiles (id, fullname)
  values (new.id, new.fullname)
  on conflict on constraint profiles_pkey do update
  set fullname = excluded.fullname;
  return null;
end
$$;

COMMENT ON FUNCTION private.keep_profile() IS 'Trigger: each user has a profile, with the user''s name.';

CREATE FUNCTION private.reload_after_ddl() RETURNS event_trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
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

COMMENT ON FUNCTION private.reload_after_ddl() IS 'Tells PostgREST that something was created or altered.';

CREATE FUNCTION private.reload_after_drop() RETURNS event_trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
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

COMMENT ON FUNCTION private.reload_after_drop() IS 'Tells PostgREST that something was dropped.';

CREATE FUNCTION private.touch_updated_at() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  new.updated_at := now();
  return new;
end
$$;

COMMENT ON FUNCTION private.touch_updated_at() IS 'Trigger: sets updated_at of a changed row to the time of its transaction.';

CREATE TABLE api.follows (
    follower uuid DEFAULT auth.user_id() NOT NULL,
    followed uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT nobody_follows_themselves CHECK ((follower <> followed))
);

COMMENT ON TABLE api.follows IS 'A user follows another.';

ALTER TABLE api.products ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME api.products_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE api.profiles (
    id uuid NOT NULL,
    fullname text NOT NULL,
    CONSTRAINT fullname_has_1_to_300_characters CHECK (((length(fullname) >= 1) AND (length(fullname) <= 300)))
);

COMMENT ON TABLE api.profiles IS 'What every caller may know of a user.';

CREATE TABLE api.rescues (
    id bigint NOT NULL,
    name text NOT NULL,
    age integer NOT NULL,
    species text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT age_is_0_to_150 CHECK (((age >= 0) AND (age <= 150))),
    CONSTRAINT id_is_positive_with_15_digits_at_most CHECK (((id >= 1) AND (id <= '999999999999999'::bigint))),
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

CREATE TABLE api.todos (
    id bigint NOT NULL,
    name text NOT NULL,
    is_completed boolean DEFAULT false NOT NULL,
    creator uuid DEFAULT auth.user_id() NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT name_has_1_to_300_characters CHECK (((length(name) >= 1) AND (length(name) <= 300)))
);

COMMENT ON TABLE api.todos IS 'Something to do. Only its creator may read or change it.';

ALTER TABLE api.todos ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME api.todos_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE VIEW api.users WITH (security_invoker='true') AS
 SELECT profile.id,
    profile.fullname,
    count(follow.follower) AS followers
   FROM (api.profiles profile
     LEFT JOIN api.follows follow ON ((follow.followed = profile.id)))
  GROUP BY profile.id, profile.fullname;

COMMENT ON VIEW api.users IS 'A user and how many follow it.';

CREATE TABLE private.rescue_id_choices (
);

COMMENT ON TABLE private.rescue_id_choices IS 'Has no rows. A transaction that inserts a chosen id locks it against those in which the database chooses one, and the reverse.';

CREATE SEQUENCE private.rescue_ids
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER TABLE ONLY api.follows
    ADD CONSTRAINT follows_pkey PRIMARY KEY (follower, followed);

ALTER TABLE ONLY api.rescues
    ADD CONSTRAINT id_is_unique PRIMARY KEY (id);

ALTER TABLE ONLY api.products
    ADD CONSTRAINT products_pkey PRIMARY KEY (id);

ALTER TABLE ONLY api.profiles
    ADD CONSTRAINT profiles_pkey PRIMARY KEY (id);

ALTER TABLE ONLY api.products
    ADD CONSTRAINT serial_number_is_unique UNIQUE (serial_number);

ALTER TABLE ONLY api.todos
    ADD CONSTRAINT todos_pkey PRIMARY KEY (id);

CREATE INDEX follows_followed ON api.follows USING btree (followed);

CREATE INDEX todos_creator ON api.todos USING btree (creator, id);

CREATE TRIGGER choose_rescue_id BEFORE INSERT ON api.rescues FOR EACH ROW EXECUTE FUNCTION private.choose_rescue_id();

ALTER TABLE api.follows ENABLE ALWAYS TRIGGER postern_delete;

ALTER TABLE api.products ENABLE ALWAYS TRIGGER postern_delete;

ALTER TABLE api.profiles ENABLE ALWAYS TRIGGER postern_delete;

ALTER TABLE api.rescues ENABLE ALWAYS TRIGGER postern_delete;

ALTER TABLE api.todos ENABLE ALWAYS TRIGGER postern_delete;

ALTER TABLE api.follows ENABLE ALWAYS TRIGGER postern_insert;

ALTER TABLE api.products ENABLE ALWAYS TRIGGER postern_insert;

ALTER TABLE api.profiles ENABLE ALWAYS TRIGGER postern_insert;

ALTER TABLE api.rescues ENABLE ALWAYS TRIGGER postern_insert;

ALTER TABLE api.todos ENABLE ALWAYS TRIGGER postern_insert;

ALTER TABLE api.follows ENABLE ALWAYS TRIGGER postern_truncate;

ALTER TABLE api.products ENABLE ALWAYS TRIGGER postern_truncate;

ALTER TABLE api.profiles ENABLE ALWAYS TRIGGER postern_truncate;

ALTER TABLE api.rescues ENABLE ALWAYS TRIGGER postern_truncate;

ALTER TABLE api.todos ENABLE ALWAYS TRIGGER postern_truncate;

ALTER TABLE api.follows ENABLE ALWAYS TRIGGER postern_update;

ALTER TABLE api.products ENABLE ALWAYS TRIGGER postern_update;

ALTER TABLE api.profiles ENABLE ALWAYS TRIGGER postern_update;

ALTER TABLE api.rescues ENABLE ALWAYS TRIGGER postern_update;

ALTER TABLE api.todos ENABLE ALWAYS TRIGGER postern_update;

CREATE TRIGGER touch_updated_at BEFORE UPDATE ON api.products FOR EACH ROW EXECUTE FUNCTION private.touch_updated_at();

CREATE TRIGGER touch_updated_at BEFORE UPDATE ON api.rescues FOR EACH ROW EXECUTE FUNCTION private.touch_updated_at();

CREATE TRIGGER touch_updated_at BEFORE UPDATE ON api.todos FOR EACH ROW EXECUTE FUNCTION private.touch_updated_at();

ALTER TABLE ONLY api.follows
    ADD CONSTRAINT follows_followed_fkey FOREIGN KEY (followed) REFERENCES api.profiles(id) ON DELETE CASCADE;

ALTER TABLE ONLY api.follows
    ADD CONSTRAINT follows_follower_fkey FOREIGN KEY (follower) REFERENCES api.profiles(id) ON DELETE CASCADE;

ALTER TABLE ONLY api.profiles
    ADD CONSTRAINT profiles_id_fkey FOREIGN KEY (id) REFERENCES auth.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY api.todos
    ADD CONSTRAINT todos_creator_fkey FOREIGN KEY (creator) REFERENCES auth.users(id) ON DELETE CASCADE;

CREATE POLICY anyone_may_read ON api.follows FOR SELECT TO anon, authenticated USING (true);

CREATE POLICY anyone_may_read ON api.products FOR SELECT TO anon, authenticated USING (true);

CREATE POLICY anyone_may_read ON api.profiles FOR SELECT TO anon, authenticated, service USING (true);

CREATE POLICY anyone_may_read ON api.rescues FOR SELECT TO anon, authenticated USING (true);

CREATE POLICY authenticated_may_write ON api.products TO authenticated USING (true) WITH CHECK (true);

CREATE POLICY authenticated_may_write ON api.rescues TO authenticated USING (true) WITH CHECK (true);

CREATE POLICY creator_only ON api.todos TO authenticated USING ((creator = ( SELECT auth.user_id() AS user_id))) WITH CHECK ((creator = ( SELECT auth.user_id() AS user_id)));

CREATE POLICY follower_may_delete ON api.follows FOR DELETE TO authenticated USING ((follower = ( SELECT auth.user_id() AS user_id)));

CREATE POLICY follower_may_insert ON api.follows FOR INSERT TO authenticated WITH CHECK ((follower = ( SELECT auth.user_id() AS user_id)));

ALTER TABLE api.follows ENABLE ROW LEVEL SECURITY;

ALTER TABLE api.products ENABLE ROW LEVEL SECURITY;

ALTER TABLE api.profiles ENABLE ROW LEVEL SECURITY;

ALTER TABLE api.rescues ENABLE ROW LEVEL SECURITY;

CREATE POLICY service_may_do_everything ON api.follows TO service USING (true) WITH CHECK (true);

CREATE POLICY service_may_do_everything ON api.products TO service USING (true) WITH CHECK (true);

CREATE POLICY service_may_do_everything ON api.rescues TO service USING (true) WITH CHECK (true);

CREATE POLICY service_may_do_everything ON api.todos TO service USING (true) WITH CHECK (true);

ALTER TABLE api.todos ENABLE ROW LEVEL SECURITY;

GRANT USAGE ON SCHEMA api TO anon;
GRANT USAGE ON SCHEMA api TO authenticated;
GRANT USAGE ON SCHEMA api TO service;

REVOKE USAGE ON SCHEMA public FROM PUBLIC;

GRANT SELECT ON TABLE api.products TO anon;
GRANT SELECT,DELETE ON TABLE api.products TO authenticated;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE api.products TO service;

GRANT INSERT(serial_number),UPDATE(serial_number) ON TABLE api.products TO authenticated;

GRANT INSERT(title),UPDATE(title) ON TABLE api.products TO authenticated;

GRANT INSERT(weight_lbs),UPDATE(weight_lbs) ON TABLE api.products TO authenticated;

GRANT UPDATE(quantity) ON TABLE api.products TO authenticated;

REVOKE ALL ON FUNCTION api.add_quantity(product_id bigint, quantity integer) FROM PUBLIC;
GRANT ALL ON FUNCTION api.add_quantity(product_id bigint, quantity integer) TO authenticated;
GRANT ALL ON FUNCTION api.add_quantity(product_id bigint, quantity integer) TO service;

REVOKE ALL ON FUNCTION extensions.armor(bytea) FROM PUBLIC;

REVOKE ALL ON FUNCTION extensions.armor(bytea, text[], text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION extensions.crypt(text, text) FROM PUBLIC;

REVOKE ALL ON FUNCTION extensions.dearmor(text) FROM PUBLIC;

REVOKE ALL ON FUNCTION extensions.decrypt(bytea, bytea, text) FROM PUBLIC;

REVOKE ALL ON FUNCTION extensions.decrypt_iv(bytea, bytea, bytea, text) FROM PUBLIC;

REVOKE ALL ON FUNCTION extensions.digest(bytea, text) FROM PUBLIC;

REVOKE ALL ON FUNCTION extensions.digest(text, text) FROM PUBLIC;

REVOKE ALL ON FUNCTION extensions.encrypt(bytea, bytea, text) FROM PUBLIC;

REVOKE ALL ON FUNCTION extensions.encrypt_iv(bytea, bytea, bytea, text) FROM PUBLIC;

REVOKE ALL ON FUNCTION extensions.gen_random_bytes(integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION extensions.gen_random_uuid() FROM PUBLIC;

REVOKE ALL ON FUNCTION extensions.gen_salt(text) FROM PUBLIC;

REVOKE ALL ON FUNCTION extensions.gen_salt(text, integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION extensions.hmac(bytea, bytea, text) FROM PUBLIC;

REVOKE ALL ON FUNCTION extensions.hmac(text, text, text) FROM PUBLIC;

REVOKE ALL ON FUNCTION extensions.pgp_armor_headers(text, OUT key text, OUT value text) FROM PUBLIC;

REVOKE ALL ON FUNCTION extensions.pgp_key_id(bytea) FROM PUBLIC;

REVOKE ALL ON FUNCTION extensions.pgp_pub_decrypt(bytea, bytea) FROM PUBLIC;

REVOKE ALL ON FUNCTION extensions.pgp_pub_decrypt(bytea, bytea, text) FROM PUBLIC;

REVOKE ALL ON FUNCTION extensions.pgp_pub_decrypt(bytea, bytea, text, text) FROM PUBLIC;

REVOKE ALL ON FUNCTION extensions.pgp_pub_decrypt_bytea(bytea, bytea) FROM PUBLIC;

REVOKE ALL ON FUNCTION extensions.pgp_pub_decrypt_bytea(bytea, bytea, text) FROM PUBLIC;

REVOKE ALL ON FUNCTION extensions.pgp_pub_decrypt_bytea(bytea, bytea, text, text) FROM PUBLIC;

REVOKE ALL ON FUNCTION extensions.pgp_pub_encrypt(text, bytea) FROM PUBLIC;

REVOKE ALL ON FUNCTION extensions.pgp_pub_encrypt(text, bytea, text) FROM PUBLIC;

REVOKE ALL ON FUNCTION extensions.pgp_pub_encrypt_bytea(bytea, bytea) FROM PUBLIC;

REVOKE ALL ON FUNCTION extensions.pgp_pub_encrypt_bytea(bytea, bytea, text) FROM PUBLIC;

REVOKE ALL ON FUNCTION extensions.pgp_sym_decrypt(bytea, text) FROM PUBLIC;

REVOKE ALL ON FUNCTION extensions.pgp_sym_decrypt(bytea, text, text) FROM PUBLIC;

REVOKE ALL ON FUNCTION extensions.pgp_sym_decrypt_bytea(bytea, text) FROM PUBLIC;

REVOKE ALL ON FUNCTION extensions.pgp_sym_decrypt_bytea(bytea, text, text) FROM PUBLIC;

REVOKE ALL ON FUNCTION extensions.pgp_sym_encrypt(text, text) FROM PUBLIC;

REVOKE ALL ON FUNCTION extensions.pgp_sym_encrypt(text, text, text) FROM PUBLIC;

REVOKE ALL ON FUNCTION extensions.pgp_sym_encrypt_bytea(bytea, text) FROM PUBLIC;

REVOKE ALL ON FUNCTION extensions.pgp_sym_encrypt_bytea(bytea, text, text) FROM PUBLIC;

REVOKE ALL ON FUNCTION private.choose_rescue_id() FROM PUBLIC;

REVOKE ALL ON FUNCTION private.keep_profile() FROM PUBLIC;

REVOKE ALL ON FUNCTION private.reload_after_ddl() FROM PUBLIC;

REVOKE ALL ON FUNCTION private.reload_after_drop() FROM PUBLIC;

REVOKE ALL ON FUNCTION private.touch_updated_at() FROM PUBLIC;

GRANT SELECT ON TABLE api.follows TO anon;
GRANT SELECT,DELETE ON TABLE api.follows TO authenticated;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE api.follows TO service;

GRANT INSERT(followed) ON TABLE api.follows TO authenticated;

GRANT SELECT ON TABLE api.profiles TO anon;
GRANT SELECT ON TABLE api.profiles TO authenticated;
GRANT SELECT ON TABLE api.profiles TO service;

GRANT SELECT ON TABLE api.rescues TO anon;
GRANT SELECT,DELETE ON TABLE api.rescues TO authenticated;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE api.rescues TO service;

GRANT INSERT(id) ON TABLE api.rescues TO authenticated;

GRANT INSERT(name),UPDATE(name) ON TABLE api.rescues TO authenticated;

GRANT INSERT(age),UPDATE(age) ON TABLE api.rescues TO authenticated;

GRANT INSERT(species),UPDATE(species) ON TABLE api.rescues TO authenticated;

GRANT SELECT ON TABLE api.rescue_counts TO anon;
GRANT SELECT ON TABLE api.rescue_counts TO authenticated;
GRANT SELECT ON TABLE api.rescue_counts TO service;

GRANT SELECT,DELETE ON TABLE api.todos TO authenticated;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE api.todos TO service;

GRANT INSERT(name),UPDATE(name) ON TABLE api.todos TO authenticated;

GRANT INSERT(is_completed),UPDATE(is_completed) ON TABLE api.todos TO authenticated;

GRANT SELECT ON TABLE api.users TO anon;
GRANT SELECT ON TABLE api.users TO authenticated;
GRANT SELECT ON TABLE api.users TO service;

ALTER DEFAULT PRIVILEGES REVOKE ALL ON FUNCTIONS FROM PUBLIC;

CREATE EVENT TRIGGER reload_after_ddl ON ddl_command_end
         WHEN TAG IN ('CREATE SCHEMA', 'ALTER SCHEMA', 'CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO', 'ALTER TABLE', 'CREATE FOREIGN TABLE', 'ALTER FOREIGN TABLE', 'CREATE VIEW', 'ALTER VIEW', 'CREATE MATERIALIZED VIEW', 'ALTER MATERIALIZED VIEW', 'CREATE FUNCTION', 'ALTER FUNCTION', 'CREATE TYPE', 'ALTER TYPE', 'CREATE DOMAIN', 'ALTER DOMAIN', 'CREATE CAST', 'CREATE RULE', 'COMMENT')
   EXECUTE FUNCTION private.reload_after_ddl();

CREATE EVENT TRIGGER reload_after_drop ON sql_drop
   EXECUTE FUNCTION private.reload_after_drop();
