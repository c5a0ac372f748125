-- What the migrations make: pg_dump --schema-only, normalised. Written by `npm run schema`, compared by the tests.
-- For reading, not for loading.

CREATE SCHEMA api;

COMMENT ON SCHEMA api IS 'Inventory, rescues, todos and users
Everything in this schema is exposed by PostgREST: tables with row level security, security-invoker views, functions.';

CREATE SCHEMA auth;

COMMENT ON SCHEMA auth IS 'Private: who the callers are. Never exposed.';

CREATE SCHEMA extensions;

COMMENT ON SCHEMA extensions IS 'Private: what extensions bring. Never exposed.';

CREATE SCHEMA postern;

COMMENT ON SCHEMA postern IS 'Private: what the gateway itself needs. Never exposed to callers.';

CREATE EXTENSION IF NOT EXISTS pgcrypto WITH SCHEMA extensions;

COMMENT ON EXTENSION pgcrypto IS 'cryptographic functions';

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

CREATE FUNCTION auth.account_subject(email text) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select encode(auth.sha256(coalesce(auth.normalise_email(email), email, '')), 'hex')
$$;

COMMENT ON FUNCTION auth.account_subject(email text) IS 'The subject under which attempts for an e-mail address are counted, whether it has an account or not.';

CREATE FUNCTION auth.address_subject(address text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  ip inet;
begin
  ip := host(address::inet);
  if ip <<= '::ffff:0:0/96' then
    return host('0.0.0.0'::inet + (ip - '::ffff:0:0'::inet));
  end if;
  return case family(ip) when 4 then host(ip) else network(set_masklen(ip, 64))::text end;
exception
  when invalid_text_representation then
    return null;
end
$$;

COMMENT ON FUNCTION auth.address_subject(address text) IS 'The subject under which attempts from an address are counted: IPv4 whole, IPv6 by /64; null when it is no address.';

CREATE TABLE auth.users (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    email text NOT NULL,
    password_hash text NOT NULL,
    fullname text NOT NULL,
    user_metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    last_sign_in_at timestamp with time zone,
    CONSTRAINT email_is_normalised CHECK (((email = lower((email COLLATE "C"))) AND ((length(email) >= 1) AND (length(email) <= 300)))),
    CONSTRAINT fullname_has_1_to_300_characters CHECK (((length(fullname) >= 1) AND (length(fullname) <= 300))),
    CONSTRAINT password_hash_is_bcrypt CHECK ((password_hash ~ '^\$2a\$\d\d\$[./A-Za-z0-9]{53}$'::text)),
    CONSTRAINT user_metadata_is_a_small_object CHECK (((jsonb_typeof(user_metadata) = 'object'::text) AND (octet_length((user_metadata)::text) <= 4096)))
);

COMMENT ON TABLE auth.users IS 'An account. Of the password there is only the bcrypt hash.';

CREATE FUNCTION auth.begin_session(account auth.users) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  session_id uuid;
begin
  insert into auth.sessions (user_id) values (account.id) returning id into session_id;
  return auth.session_json(account, session_id, auth.issue_refresh_token(session_id));
end
$$;

COMMENT ON FUNCTION auth.begin_session(account auth.users) IS 'The answer to whoever has signed in.';

CREATE FUNCTION auth.count_attempt(action text, scope text, subject text) RETURNS integer
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  -- Who counts the same subject waits here until the one before has committed, so that none is lost.
  insert into auth.throttles as throttle (action, scope, subject, attempts, until)
  select allowed.action, allowed.scope, count_attempt.subject, 1, now() + allowed.per
  from auth.limits as allowed
  where allowed.action = count_attempt.action
    and allowed.scope = count_attempt.scope
    and count_attempt.subject is not null
  on conflict on constraint throttles_pkey do update
  set attempts = case when throttle.until > now() then least(throttle.attempts, 1000000) + 1 else 1 end,
      until = case when throttle.until > now() then throttle.until else excluded.until end
  returning (
    select ceil(extract(epoch from throttle.until - now()))::integer
    from auth.limits as allowed
    where allowed.action = throttle.action
      and allowed.scope = throttle.scope
      and throttle.attempts > allowed.attempts
  )
$$;

COMMENT ON FUNCTION auth.count_attempt(action text, scope text, subject text) IS 'Counts an attempt. The seconds to wait when it is one too many, else null.';

CREATE FUNCTION auth.end_sessions(session_ids uuid[], reason text) RETURNS void
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  update auth.sessions as session
  set ended_at = now(), end_reason = reason
  from (
    select locked.id
    from auth.sessions as locked
    where locked.id = any (session_ids)
    -- Two who end the same sessions wait for each other in one order.
    order by locked.id
    for update
  ) as chosen
  where session.id = chosen.id and session.ended_at is null
$$;

COMMENT ON FUNCTION auth.end_sessions(session_ids uuid[], reason text) IS 'Ends those of the sessions that have not ended yet.';

CREATE FUNCTION auth.forgive(action text, scope text, subject text) RETURNS void
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  delete from auth.throttles as throttle
  where throttle.action = forgive.action and throttle.scope = forgive.scope and throttle.subject = forgive.subject
$$;

COMMENT ON FUNCTION auth.forgive(action text, scope text, subject text) IS 'Forgets the attempts.';

CREATE FUNCTION auth.has_session(user_id uuid, session_id uuid) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select exists (
    select
    from auth.sessions as session
    where session.id = has_session.session_id
      and session.user_id = has_session.user_id
      and session.ended_at is null
      and session.refreshed_at > now() - auth.session_lifetime()
  )
$$;

COMMENT ON FUNCTION auth.has_session(user_id uuid, session_id uuid) IS 'Whether the session is alive and the user''s.';

CREATE FUNCTION auth.hash_password(password text, bcrypt_cost integer) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  -- Each step doubles the work: a slip in a setting must not occupy the database for hours.
  if bcrypt_cost is null or bcrypt_cost not between 4 and 16 then
    raise sqlstate '22023' using message = 'the bcrypt cost is not between 4 and 16';
  end if;
  return extensions.crypt(password, extensions.gen_salt('bf', bcrypt_cost));
end
$$;

COMMENT ON FUNCTION auth.hash_password(password text, bcrypt_cost integer) IS 'A new bcrypt hash.';

CREATE FUNCTION auth.is_password(password text) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  -- bcrypt reads 72 bytes: of a longer password the rest would count for nothing.
  select coalesce(length(password) >= 6 and octet_length(password) <= 72, false)
$$;

COMMENT ON FUNCTION auth.is_password(password text) IS 'Whether this can be a password.';

CREATE FUNCTION auth.issue_refresh_token(session_id uuid, predecessor bytea DEFAULT NULL::bytea) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  token text := auth.new_secret();
begin
  insert into auth.refresh_tokens (token_hash, session_id)
  values (auth.sha256(token), issue_refresh_token.session_id);
  update auth.refresh_tokens as used
  set successor_hash = auth.sha256(token)
  where used.token_hash = predecessor;
  return token;
end
$$;

COMMENT ON FUNCTION auth.issue_refresh_token(session_id uuid, predecessor bytea) IS 'A new refresh token: the only time that it is seen in clear.';

CREATE FUNCTION auth.keep_profile() RETURNS trigger
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

COMMENT ON FUNCTION auth.keep_profile() IS 'Trigger: each user has a profile, with the user''s name.';

CREATE FUNCTION auth.new_secret() RETURNS text
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select translate(encode(extensions.gen_random_bytes(32), 'base64'), '+/=', '-_')
$$;

COMMENT ON FUNCTION auth.new_secret() IS 'Random, of 43 characters.';

CREATE FUNCTION auth.normalise_email(email text) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
  select normalised
  from (select lower(btrim(email, E' \t\r\n') collate "C")) as candidate (normalised)
  where length(normalised) <= 300
    and normalised ~ '^[^@[:space:][:cntrl:]]+@[^@[:space:][:cntrl:]]+$'
$_$;

COMMENT ON FUNCTION auth.normalise_email(email text) IS 'The form in which an e-mail address is stored and compared; null when it is none.';

CREATE FUNCTION auth.prune() RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  -- A bounded number of rows each time, and never waiting for anybody.
  delete from auth.throttles as throttle
  using (
    select action, scope, subject
    from auth.throttles
    where until < now()
    order by until
    limit 50
    for update skip locked
  ) as old
  where (throttle.action, throttle.scope, throttle.subject) = (old.action, old.scope, old.subject);

  delete from auth.refresh_tokens
  where token_hash in (
    select token_hash
    from auth.refresh_tokens
    where issued_at < now() - auth.session_lifetime()
    order by issued_at
    limit 50
    for update skip locked
  );

  delete from auth.sessions
  where id in (
    select session.id
    from auth.sessions as session
    where session.refreshed_at < now() - auth.session_lifetime()
      -- Else their number would not be bounded.
      and not exists (select from auth.refresh_tokens as token where token.session_id = session.id)
    order by session.refreshed_at
    limit 50
    for update of session skip locked
  );
end
$$;

COMMENT ON FUNCTION auth.prune() IS 'Deletes some of what is over: throttles, refresh tokens, sessions.';

CREATE FUNCTION auth.refusal(outcome text, seconds integer DEFAULT NULL::integer) RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select jsonb_strip_nulls(jsonb_build_object('outcome', outcome, 'retryAfter', seconds))
$$;

COMMENT ON FUNCTION auth.refusal(outcome text, seconds integer) IS 'The answer to an attempt that failed. It is returned, not raised: what was counted has to be committed.';

CREATE FUNCTION auth.seconds_to_wait(action text, scope text, subject text) RETURNS integer
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select ceil(extract(epoch from throttle.until - now()))::integer
  from auth.throttles as throttle
  join auth.limits as allowed on allowed.action = throttle.action and allowed.scope = throttle.scope
  where throttle.action = seconds_to_wait.action
    and throttle.scope = seconds_to_wait.scope
    and throttle.subject = seconds_to_wait.subject
    and throttle.until > now()
    and throttle.attempts >= allowed.attempts
$$;

COMMENT ON FUNCTION auth.seconds_to_wait(action text, scope text, subject text) IS 'The seconds until another attempt is allowed; null when it is now. Counts nothing and waits for nobody.';

CREATE FUNCTION auth.session_json(account auth.users, session_id uuid, refresh_token text) RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select jsonb_build_object(
    'outcome', 'ok',
    'user', auth.user_json(account),
    'session', jsonb_build_object('id', session_id, 'refresh_token', refresh_token)
  )
$$;

COMMENT ON FUNCTION auth.session_json(account auth.users, session_id uuid, refresh_token text) IS 'A user and a session as the gateway gets to see them.';

CREATE FUNCTION auth.session_lifetime() RETURNS interval
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select '30 days'::interval
$$;

COMMENT ON FUNCTION auth.session_lifetime() IS 'How long a session lives without a refresh, and how long what is over is kept.';

CREATE FUNCTION auth.sha256(secret text) RETURNS bytea
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select sha256(convert_to(secret, 'UTF8'))
$$;

COMMENT ON FUNCTION auth.sha256(secret text) IS 'All that is stored of a token or key. They are random, so they need no salt and no slow hash.';

CREATE FUNCTION auth.user_id() RETURNS uuid
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
  select case when claims.sub ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then claims.sub::uuid end
  -- Empty, not null, after a transaction that set it.
  from (select nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub') as claims (sub)
$_$;

COMMENT ON FUNCTION auth.user_id() IS 'The user who makes this request, or null.';

CREATE FUNCTION auth.user_json(account auth.users) RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    AS $$
  select to_jsonb(account) - 'password_hash'
$$;

COMMENT ON FUNCTION auth.user_json(account auth.users) IS 'A user as the gateway gets to see it: without the hash of the password.';

CREATE FUNCTION auth.verify_password(password text, password_hash text, bcrypt_cost integer) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
  -- "$2a$", cost, "$", 22 characters of salt
  salt text := '$2a$%s$postern.has.no.account';
  compared text := coalesce(password_hash, format(salt, lpad(bcrypt_cost::text, 2, '0')));
  matches boolean;
begin
  if bcrypt_cost is null or bcrypt_cost not between 4 and 16 then
    raise sqlstate '22023' using message = 'the bcrypt cost is not between 4 and 16';
  end if;
  -- Assigned, not asked in a WHERE: the planner may try an immutable function there once more, to estimate.
  matches := extensions.crypt(coalesce(password, ''), compared) = password_hash;
  -- What bcrypt does not read must not be accepted.
  matches := coalesce(matches and octet_length(password) <= 72, false);
  if not matches then
    -- 2^10 + 2^10 + 2^11 is the work of 2^12.
    for cost in substr(compared, 5, 2)::integer .. bcrypt_cost - 1 loop
      perform extensions.crypt(coalesce(password, ''), format(salt, lpad(cost::text, 2, '0')));
    end loop;
  end if;
  return matches;
end
$_$;

COMMENT ON FUNCTION auth.verify_password(password text, password_hash text, bcrypt_cost integer) IS 'Whether the password is that of the hash. No hash is the hash of no password.';

CREATE FUNCTION postern.catalog(schemas text[]) RETURNS jsonb
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET jit TO 'off'
    SET standard_conforming_strings TO 'on'
    AS $$
  with recursive
  dependency as materialized (
    select * from postern.dependencies
  ),
  exposed_relation as (
    select class.*, schema.nspname
    from pg_catalog.pg_class as class
    join pg_catalog.pg_namespace as schema on schema.oid = class.relnamespace
    where schema.nspname = any (schemas)
      and class.relkind in ('r', 'p', 'v', 'm', 'f')
  ),
  exposed_function as (
    select proc.*, schema.nspname
    from pg_catalog.pg_proc as proc
    join pg_catalog.pg_namespace as schema on schema.oid = proc.pronamespace
    where schema.nspname = any (schemas)
      and proc.prokind = 'f'
      and proc.prorettype not in ('pg_catalog.trigger'::regtype, 'pg_catalog.event_trigger'::regtype)
  ),
  -- policy: by which policy of the first table on the way something is read; 0, if by none.
  reach (root_kind, root, kind, node, as_owner, policy) as (
    select 'relation', exposed_relation.oid, 'relation', exposed_relation.oid, false, 0::oid
    from exposed_relation
    union
    select 'function', exposed_function.oid, 'function', exposed_function.oid, false, 0::oid
    from exposed_function
    union
    select
      reach.root_kind,
      reach.root,
      dependency.to_kind,
      dependency.to_node,
      reach.as_owner or dependency.as_owner,
      case when reach.policy <> 0 then reach.policy when dependency.to_kind = 'policy' then dependency.to_node else 0 end
    from reach
    join dependency on dependency.kind = reach.kind and dependency.node = reach.node
  ),
  reached as materialized (
    select distinct kind, node from reach
  ),
  fact (kind, node, tag, staleness, claims, problems) as materialized (
    select 'relation', relation.node, relation.tag, relation.staleness, '{}'::text[], array_remove(array[relation.problem], null)
    from postern.relation_facts as relation
    where relation.node in (select reached.node from reached where reached.kind = 'relation')
    union all
    select 'function', function.node, null, null, function.claims, array_remove(array[function.problem], null)
    from postern.function_facts as function
    where function.node in (select reached.node from reached where reached.kind = 'function')
    union all
    select
      expression.kind,
      expression.node,
      null,
      null,
      postern.claims_in(expression.expression),
      array(
        select case expression.kind
          when 'relation' then expression.node::regclass::text
          when 'function' then expression.node::regprocedure::text
          else (select format('policy %I on %s', polname, polrelid::regclass) from pg_catalog.pg_policy where pg_policy.oid = expression.node)
        end || ' ' || problem
        from unnest(postern.problems_in(expression.tree, expression.expression, array(select timed.type from postern.timed_types as timed))) as problem
      )
    from postern.expressions as expression
    join reached on reached.kind = expression.kind and reached.node = expression.node
  ),
  summary as materialized (
    select
      reach.root_kind,
      reach.root,
      reach.policy,
      coalesce(jsonb_agg(distinct fact.tag) filter (where fact.tag is not null), '[]') as reads,
      coalesce(jsonb_agg(distinct claim.claim) filter (where claim.claim is not null), '[]') as claims,
      coalesce(jsonb_agg(distinct problem.problem) filter (where problem.problem is not null), '[]') as reasons,
      min(fact.staleness) as staleness,
      bool_or(reach.as_owner) filter (where reach.kind = 'policy' and reach.node = reach.policy) as as_owner
    from reach
    left join fact on fact.kind = reach.kind and fact.node = reach.node
    left join lateral unnest(fact.claims) as claim (claim) on true
    left join lateral unnest(fact.problems) as problem (problem) on true
    group by reach.root_kind, reach.root, reach.policy
  ),
  policy as (
    select
      summary.root_kind,
      summary.root,
      jsonb_agg(
        jsonb_build_object(
          'relation', postern.quoted(schema.nspname::text) || '.' || postern.quoted(class.relname::text),
          'name', pg_policy.polname,
          'command', case pg_policy.polcmd when 'r' then 'select' else 'all' end,
          'isPermissive', pg_policy.polpermissive,
          -- Read with an owner's rights: whose policies apply does not depend on the caller.
          'roles', case
            when summary.as_owner then '["public"]'
            else (select jsonb_agg(coalesce(pg_roles.rolname, 'public') order by pg_roles.rolname)
              from unnest(pg_policy.polroles) as role
              left join pg_catalog.pg_roles on pg_roles.oid = role)
          end,
          'using', pg_get_expr(pg_policy.polqual, pg_policy.polrelid),
          'reads', summary.reads,
          'claims', summary.claims,
          'reasons', summary.reasons
        )
        order by schema.nspname, class.relname, pg_policy.polname
      ) as policies,
      min(summary.staleness) as staleness
    from summary
    join pg_catalog.pg_policy on pg_policy.oid = summary.policy
    join pg_catalog.pg_class as class on class.oid = pg_policy.polrelid
    join pg_catalog.pg_namespace as schema on schema.oid = class.relnamespace
    group by summary.root_kind, summary.root
  ),
  dependence as (
    select
      summary.root_kind,
      summary.root,
      jsonb_build_object(
        'reads', summary.reads,
        'claims', summary.claims,
        'reasons', summary.reasons,
        'isCacheable', summary.reasons = '[]',
        'stalenessSeconds', extract(epoch from least(summary.staleness, policy.staleness)),
        'policies', coalesce(policy.policies, '[]')
      ) as dependence
    from summary
    left join policy on policy.root_kind = summary.root_kind and policy.root = summary.root
    where summary.policy = 0
  )
  select jsonb_build_object(
    'version', postern.catalog_version(),
    'isWatched', postern.is_watched(),
    'schemas', to_jsonb(schemas),
    -- Domains that are named so make PostgREST answer with what a function or an aggregate returns.
    'mediaTypes', (
      select coalesce(jsonb_agg(distinct lower(type.typname::text) collate "C"), '[]')
      from pg_catalog.pg_type as type
      where type.typtype = 'd' and type.typname like '%/%'
    ),
    'hasOwnCasts', exists (
      select from pg_catalog.pg_cast where oid >= 16384 and castsource < 16384 and casttarget < 16384
    ),
    'relations', (
      select coalesce(jsonb_agg(
        jsonb_build_object(
          'schema', relation.nspname,
          'name', relation.relname,
          'kind', case relation.relkind
            when 'r' then 'table' when 'p' then 'table' when 'v' then 'view' when 'm' then 'materialized view' else 'foreign table'
          end,
          'tag', case when relation.relkind in ('r', 'p', 'm') then postern.tag_of(relation.oid) end,
          'rowKey', case
            when relation.relkind in ('r', 'p')
              -- What they call may read other rows of the table.
              and not exists (
                select
                from pg_catalog.pg_attribute as attribute
                join postern.type_functions as unnamed on unnamed.type = attribute.atttypid
                where attribute.attrelid = relation.oid and attribute.attnum > 0
              )
              then to_jsonb(postern.row_key_of((postern.roots_of(relation.oid))[1]))
          end,
          'columns', (
            select coalesce(jsonb_agg(
              jsonb_build_object(
                'name', attribute.attname,
                'type', format_type(attribute.atttypid, null),
                'isNullable', not attribute.attnotnull,
                'isGenerated', attribute.attgenerated <> ''
              )
              order by attribute.attnum
            ), '[]')
            from pg_catalog.pg_attribute as attribute
            where attribute.attrelid = relation.oid and attribute.attnum > 0 and not attribute.attisdropped
          ),
          'keys', (
            select coalesce(jsonb_agg(
              jsonb_build_object(
                'isPrimary', index.indisprimary,
                'columns', (
                  select jsonb_agg(attribute.attname order by key.position)
                  from unnest(index.indkey::int2[]) with ordinality as key (attnum, position)
                  join pg_catalog.pg_attribute as attribute on attribute.attrelid = index.indrelid and attribute.attnum = key.attnum
                  where key.position <= index.indnkeyatts
                )
              )
              order by index.indisprimary desc, index.indexrelid
            ), '[]')
            from pg_catalog.pg_index as index
            where index.indrelid = relation.oid
              and index.indisunique and index.indisvalid and index.indpred is null and index.indexprs is null
          ),
          'computed', (
            select coalesce(jsonb_object_agg(function.proname, function.oid::regprocedure), '{}')
            from exposed_function as function
            where function.pronargs = 1 and function.proargtypes[0] = relation.reltype and relation.reltype <> 0
          )
        ) || dependence.dependence
        order by relation.nspname, relation.relname
      ), '[]')
      from exposed_relation as relation
      join dependence on dependence.root_kind = 'relation' and dependence.root = relation.oid
    ),
    'functions', (
      select coalesce(jsonb_agg(
        jsonb_build_object(
          'schema', function.nspname,
          'name', function.proname,
          'signature', function.oid::regprocedure,
          'arguments', (
            select coalesce(jsonb_agg(
              jsonb_build_object(
                'name', coalesce(function.proargnames[argument.position], ''),
                'type', format_type(argument.type, null),
                'hasDefault', argument.position > function.pronargs - function.pronargdefaults
              )
              order by argument.position
            ), '[]')
            from unnest(function.proargtypes::oid[]) with ordinality as argument (type, position)
          ),
          'isVariadic', function.provariadic <> 0,
          'returns', format_type(function.prorettype, null),
          'returnsRelation', (
            select postern.quoted(schema.nspname::text) || '.' || postern.quoted(class.relname::text)
            from pg_catalog.pg_type as type
            join pg_catalog.pg_class as class on class.oid = type.typrelid
            join pg_catalog.pg_namespace as schema on schema.oid = class.relnamespace
            where type.oid = function.prorettype and class.relkind <> 'c'
          ),
          'returnsSet', function.proretset,
          'volatility', case function.provolatile when 'i' then 'immutable' when 's' then 'stable' else 'volatile' end
        ) || dependence.dependence
        order by function.nspname, function.proname, function.oid::regprocedure::text
      ), '[]')
      from exposed_function as function
      join dependence on dependence.root_kind = 'function' and dependence.root = function.oid
    ),
    'foreignKeys', (
      select coalesce(jsonb_agg(
        jsonb_build_object(
          'name', key.conname,
          'from', jsonb_build_object('schema', from_schema.nspname, 'name', from_class.relname, 'tag', postern.tag_of(from_class.oid), 'columns', (
            select jsonb_agg(attribute.attname order by part.position)
            from unnest(key.conkey) with ordinality as part (attnum, position)
            join pg_catalog.pg_attribute as attribute on attribute.attrelid = key.conrelid and attribute.attnum = part.attnum
          )),
          'to', jsonb_build_object('schema', to_schema.nspname, 'name', to_class.relname, 'tag', postern.tag_of(to_class.oid), 'columns', (
            select jsonb_agg(attribute.attname order by part.position)
            from unnest(key.confkey) with ordinality as part (attnum, position)
            join pg_catalog.pg_attribute as attribute on attribute.attrelid = key.confrelid and attribute.attnum = part.attnum
          )),
          'isOneToOne', exists (
            select
            from pg_catalog.pg_index as index
            where index.indrelid = key.conrelid
              and index.indisunique and index.indisvalid and index.indpred is null and index.indexprs is null
              and (index.indkey::int2[])[0:index.indnkeyatts - 1] <@ key.conkey
          )
        )
        order by from_schema.nspname, from_class.relname, key.conname
      ), '[]')
      from pg_catalog.pg_constraint as key
      join pg_catalog.pg_class as from_class on from_class.oid = key.conrelid
      join pg_catalog.pg_namespace as from_schema on from_schema.oid = from_class.relnamespace
      join pg_catalog.pg_class as to_class on to_class.oid = key.confrelid
      join pg_catalog.pg_namespace as to_schema on to_schema.oid = to_class.relnamespace
      where key.contype = 'f' and key.conparentid = 0
    ),
    -- The roles that may enter the schemas: a policy applies to a role when it names one that it is a member of, or public.
    'roles', (
      select coalesce(jsonb_object_agg(
        role.rolname,
        jsonb_build_object(
          'memberOf', (
            select jsonb_agg(other.rolname order by other.rolname)
            from pg_catalog.pg_roles as other
            where pg_has_role(role.oid, other.oid, 'usage')
          ),
          'bypassesPolicies', role.rolbypassrls
        )
      ), '{}')
      from pg_catalog.pg_roles as role
      where not role.rolsuper
        and role.rolname !~ '^pg_'
        and exists (
          select
          from pg_catalog.pg_namespace as schema
          where schema.nspname = any (schemas) and has_schema_privilege(role.oid, schema.oid, 'usage')
        )
    )
  )
$$;

COMMENT ON FUNCTION postern.catalog(schemas text[]) IS 'What answers from the relations and functions of these schemas depend on, and why some cannot be cached.';

CREATE FUNCTION postern.catalog_version() RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select md5(string_agg(part.version, ' ' order by part.name))
  from (
    -- TRUNCATE and REFRESH leave new versions, too. Where changes are logged as they happen, it is enough to tell states apart;
    -- but of REASSIGN OWNED no event tells, and it may have gone there and back.
    select 'class', md5(string_agg(
      concat_ws(' ', class.oid, case
        when schema.is_watched then (
          class.relname, relnamespace, relowner, relkind, relpersistence, relrowsecurity, relforcerowsecurity, relispopulated, relispartition,
          relhasrules, relhastriggers, relreplident, relam, reloftype, relacl, reloptions, relpartbound, owner.xmin
        )::text
        else class.xmin::text
      end),
      ',' order by class.oid
    ))
    from pg_catalog.pg_class as class
    cross join (select postern.is_watched()) as schema (is_watched)
    left join pg_catalog.pg_shdepend as owner
      on owner.dbid = (select pg_database.oid from pg_catalog.pg_database where datname = current_database())
      and owner.classid = 'pg_catalog.pg_class'::regclass
      and owner.objid = class.oid
      and owner.objsubid = 0
      and owner.deptype = 'o'
    where relpersistence <> 't' and class.oid >= 16384
    union all
    -- Of a virtual generated column, it is the value.
    select 'default', md5(string_agg(concat_ws(' ', oid, xmin), ',' order by oid)) from pg_catalog.pg_attrdef
    union all
    select 'attribute', md5(string_agg(concat_ws(' ', attrelid, attnum, pg_attribute.xmin), ',' order by attrelid, attnum))
    from pg_catalog.pg_attribute join pg_catalog.pg_class on pg_class.oid = attrelid and relpersistence <> 't' where attrelid >= 16384
    union all
    select 'inherits', md5(string_agg(concat_ws(' ', inhrelid, inhparent, xmin), ',' order by inhrelid, inhparent)) from pg_catalog.pg_inherits
    union all
    select 'constraint', md5(string_agg(concat_ws(' ', oid, xmin), ',' order by oid)) from pg_catalog.pg_constraint where oid >= 16384
    union all
    select 'trigger', md5(string_agg(concat_ws(' ', oid, xmin), ',' order by oid)) from pg_catalog.pg_trigger
    union all
    select 'rewrite', md5(string_agg(concat_ws(' ', oid, xmin), ',' order by oid)) from pg_catalog.pg_rewrite where oid >= 16384
    union all
    select 'policy', md5(string_agg(concat_ws(' ', oid, xmin), ',' order by oid)) from pg_catalog.pg_policy
    union all
    select 'proc', md5(string_agg(concat_ws(' ', oid, xmin), ',' order by oid)) from pg_catalog.pg_proc
    union all
    select 'type', md5(string_agg(concat_ws(' ', pg_type.oid, pg_type.xmin), ',' order by pg_type.oid))
    from pg_catalog.pg_type left join pg_catalog.pg_class on pg_class.oid = typrelid where pg_type.oid >= 16384 and typtype <> 'c' and typelem = 0
    union all
    select 'enum', md5(string_agg(concat_ws(' ', oid, xmin), ',' order by oid)) from pg_catalog.pg_enum
    union all
    select 'cast', md5(string_agg(concat_ws(' ', oid, xmin), ',' order by oid)) from pg_catalog.pg_cast where oid >= 16384
    union all
    select 'operator', md5(string_agg(concat_ws(' ', oid, xmin), ',' order by oid)) from pg_catalog.pg_operator where oid >= 16384
    union all
    select 'namespace', md5(string_agg(concat_ws(' ', oid, xmin), ',' order by oid)) from pg_catalog.pg_namespace where nspname !~ '^pg_(toast_)?temp'
    union all
    select 'subscription', md5(string_agg(srrelid::text, ',' order by srrelid)) from pg_catalog.pg_subscription_rel
    union all
    select 'event trigger', md5(string_agg(concat_ws(' ', oid, xmin), ',' order by oid)) from pg_catalog.pg_event_trigger
    union all
    -- who is pg_database_owner
    select 'database', datdba::text from pg_catalog.pg_database where datname = current_database()
    union all
    select 'role', md5(string_agg(concat_ws(' ', oid, rolname, rolsuper, rolinherit, rolbypassrls, rolconfig), ',' order by oid)) from pg_catalog.pg_roles
    union all
    select 'member', md5(string_agg(concat_ws(' ', roleid, member, xmin), ',' order by roleid, member, xmin::text)) from pg_catalog.pg_auth_members
    union all
    select 'setting', md5(string_agg(concat_ws(' ', setdatabase, setrole, xmin), ',' order by setdatabase, setrole)) from pg_catalog.pg_db_role_setting
    union all
    -- How values are written, where the server's configuration says it.
    select 'format', md5(string_agg(concat_ws(' ', name, current_setting(name)), ',' order by name))
    from unnest(array[
      'TimeZone', 'DateStyle', 'IntervalStyle', 'bytea_output', 'extra_float_digits', 'xmlbinary', 'default_text_search_config',
      'lc_monetary', 'lc_numeric', 'lc_time', 'quote_all_identifiers', 'xmloption', 'transform_null_equals', 'timezone_abbreviations'
    ]) as name
    union all
    select 'text search', md5(string_agg(concat_ws(' ', mapcfg, maptokentype, mapseqno, mapdict, xmin), ',' order by mapcfg, maptokentype, mapseqno))
    from pg_catalog.pg_ts_config_map where mapcfg >= 16384
    union all
    select 'dictionary', md5(string_agg(concat_ws(' ', oid, xmin), ',' order by oid)) from pg_catalog.pg_ts_dict where oid >= 16384
    union all
    select 'tracked', md5(string_agg(concat_ws(' ', relation::oid, staleness), ',' order by relation::oid)) from postern.tracked_relations
    union all
    select 'declared', md5(string_agg(concat_ws(' ', function::oid, reads::text, claims::text, definition), ',' order by function::oid)) from postern.cacheable_functions
  ) as part (name, version)
$$;

COMMENT ON FUNCTION postern.catalog_version() IS 'Changes whenever the catalog may have.';

CREATE FUNCTION postern.changes_since(cursor text DEFAULT NULL::text) RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET plan_cache_mode TO 'force_custom_plan'
    SET jit TO 'off'
    AS $_$
declare
  snapshot pg_snapshot;
  since pg_snapshot;
  epoch text;
  pruned_below xid8;
  reason text;
  tags jsonb := '[]';
begin
  if pg_is_in_recovery() then
    -- A standby's snapshots do not say which transactions are running.
    raise sqlstate 'PT503' using message = 'changes are read from the primary server, and this is a standby';
  end if;
  snapshot := pg_current_snapshot();
  epoch := postern.epoch();
  select horizon.pruned_below into strict pruned_below from postern.horizon;

  if cursor is null or cursor = '' then
    reason := 'there is no cursor';
  elsif cursor !~ '^[0-9a-f]+@[0-9]{1,19}:[0-9]{1,19}:([0-9]{1,19}(,[0-9]{1,19})*)?$' then
    reason := 'the cursor is none of this function';
  elsif split_part(cursor, '@', 1) <> epoch then
    reason := 'the server or the database is another, or was restarted or restored';
  else
    since := split_part(cursor, '@', 2)::pg_snapshot;
    if pg_snapshot_xmax(since) > pg_snapshot_xmax(snapshot) then
      reason := 'the cursor is ahead of the database';
    -- A horizon that is ahead of the database was loaded from a dump, and says nothing.
    elsif pg_snapshot_xmin(since) < pruned_below and pruned_below <= pg_snapshot_xmax(snapshot) then
      reason := 'changes since the cursor have been pruned';
    end if;
  end if;

  if reason is null then
    with changed as (
      select changes.tag, changes.rows
      from postern.changes
      where changes.xid >= pg_snapshot_xmax(since)
        and pg_visible_in_snapshot(changes.xid, snapshot)
      union all
      -- Those that were running when the cursor was made.
      select changes.tag, changes.rows
      from postern.changes
      where changes.xid = any (array(select pg_snapshot_xip(since)))
        and pg_visible_in_snapshot(changes.xid, snapshot)
    ),
    named as (
      select changed.tag, array_agg(distinct coalesce(key.key, '*')) as keys
      from changed
      cross join unnest(case when cardinality(changed.rows) > 100 then '{*}' else changed.rows end) as key (key)
      group by changed.tag
    )
    select coalesce(jsonb_agg(reported.tag order by reported.tag), '[]')
    into tags
    from (
      select distinct changed.tag
      from changed
      union all
      select named.tag || '(' || key.key || ')'
      from named
      cross join unnest(case when '*' = any (named.keys) or cardinality(named.keys) > 1000 then '{*}' else named.keys end) as key (key)
    ) as reported;
  end if;

  return jsonb_build_object(
    'epoch', epoch,
    'cursor', epoch || '@' || snapshot,
    'reset', reason is not null,
    'reason', reason,
    'tags', tags
  );
end
$_$;

COMMENT ON FUNCTION postern.changes_since(cursor text) IS 'The tags of what was committed since the cursor, and the cursor for the next call. reset: it cannot be said, so anything may have changed.';

CREATE FUNCTION postern.claims_in(expression text) RETURNS text[]
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
  select coalesce(array_agg(distinct claim order by claim) filter (where claim is not null), '{}')
  from (
    select replace(coalesce(found[1], found[2], found[3], found[4]), $q$''$q$, $q$'$q$) as claim
    from regexp_matches(expression, postern.setting_readers(), 'g') as found
  ) as reader
$_$;

COMMENT ON FUNCTION postern.claims_in(expression text) IS 'The claims that an expression reads.';

CREATE FUNCTION postern.create_api_key(name text, kind text, role name) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  key text := format('postern_%s_%s', kind, auth.new_secret());
begin
  -- The gateway itself is no role for a key, nor is one that PostgREST could not take on.
  if role = 'postern' or role not in (
    select granted.rolname
    from pg_auth_members as membership
    join pg_roles as granted on granted.oid = membership.roleid
    where membership.member = 'authenticator'::regrole
      and not (granted.rolsuper or granted.rolbypassrls)
  ) then
    raise sqlstate '22023' using
      message = format('%I is not a role for a key', role),
      hint = 'A role that is granted to authenticator, such as anon or service.';
  end if;
  insert into auth.api_keys (name, key_hash, hint, kind, role)
  values (create_api_key.name, auth.sha256(key), left(key, length('postern_' || kind || '_') + 4), create_api_key.kind, create_api_key.role);
  return key;
end
$$;

COMMENT ON FUNCTION postern.create_api_key(name text, kind text, role name) IS 'For the operator: makes a key and returns it, the only time that it is seen in clear.';

CREATE FUNCTION postern.declare_cacheable(function regprocedure, reads regclass[] DEFAULT '{}'::regclass[], claims text[] DEFAULT '{}'::text[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  proc pg_catalog.pg_proc;
  unstable text[] := array(select unnest(claims) intersect values ('exp'), ('iat'), ('nbf'), ('jti'));
begin
  select * into proc from pg_catalog.pg_proc where pg_proc.oid = function;
  if proc.provolatile = 'v' then
    raise exception '% is volatile', function
      using errcode = 'invalid_parameter_value', hint = 'If it only reads, say so first: alter function ... stable.';
  elsif proc.pronamespace = 'pg_catalog'::regnamespace then
    raise exception '% is not a function of yours', function
      using errcode = 'invalid_parameter_value', hint = 'Call it in a function of your own, and declare that.';
  elsif cardinality(unstable) > 0 then
    raise exception 'these claims differ from token to token: %', array_to_string(unstable, ', ')
      using errcode = 'invalid_parameter_value', hint = 'An answer that depends on them cannot be shared.';
  end if;
  insert into postern.cacheable_functions (function, reads, claims, definition)
  values (function, reads, claims, postern.definition_of(function))
  on conflict on constraint cacheable_functions_pkey do update
  set reads = excluded.reads, claims = excluded.claims, definition = excluded.definition;
  perform postern.flush();
end
$$;

COMMENT ON FUNCTION postern.declare_cacheable(function regprocedure, reads regclass[], claims text[]) IS 'Vouches for a function: it reads its arguments, these relations and these claims of the caller''s token, nothing else.';

CREATE FUNCTION postern.definition_of(function oid) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select md5(concat_ws(' ', prosrc, probin, pg_get_function_sqlbody(oid), prosecdef, provolatile, prolang, proconfig))
  from pg_catalog.pg_proc
  where pg_proc.oid = function
$$;

COMMENT ON FUNCTION postern.definition_of(function oid) IS 'Changes when what a function does may have changed.';

CREATE FUNCTION postern.drop_triggers(root oid) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  member record;
begin
  for member in
    select trigger.tgname as trigger, trigger.tgrelid::regclass as relation
    from postern.family_of(root) as family
    join pg_catalog.pg_trigger as trigger on trigger.tgrelid = family.relation
    where trigger.tgname in ('postern_insert', 'postern_update', 'postern_delete', 'postern_truncate')
  loop
    execute format('drop trigger if exists %I on %s', member.trigger, member.relation);
  end loop;
end
$$;

COMMENT ON FUNCTION postern.drop_triggers(root oid) IS 'Takes the triggers away from a table and its descendants.';

CREATE FUNCTION postern.epoch() RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select left(md5(concat_ws(
    ' ',
    (select control.system_identifier from pg_catalog.pg_control_system() as control),
    left(pg_walfile_name(pg_current_wal_insert_lsn()), 8),
    (select pg_database.oid from pg_catalog.pg_database where pg_database.datname = current_database()),
    'postern.changes'::regclass::oid,
    extract(epoch from pg_postmaster_start_time()),
    extract(epoch from pg_stat_get_bgwriter_stat_reset_time())
  )), 16)
$$;

COMMENT ON FUNCTION postern.epoch() IS 'Names this life of this database: transaction ids of another mean nothing.';

CREATE FUNCTION postern.family_of(root oid) RETURNS TABLE(relation oid)
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  with recursive family (oid) as (
    select root
    union
    select pg_inherits.inhrelid
    from family
    join pg_catalog.pg_inherits on pg_inherits.inhparent = family.oid
  )
  select family.oid from family
$$;

COMMENT ON FUNCTION postern.family_of(root oid) IS 'A root and its partitions or inheritance children.';

CREATE FUNCTION postern.find_api_key(key_hash text) RETURNS jsonb
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
  select coalesce(
    (
      select jsonb_build_object('outcome', 'ok', 'kind', key.kind, 'role', key.role)
      from auth.api_keys as key
      where key.revoked_at is null
        and key.key_hash = case when find_api_key.key_hash ~ '^[0-9a-f]{64}$' then decode(find_api_key.key_hash, 'hex') end
    ),
    auth.refusal('unknown')
  )
$_$;

COMMENT ON FUNCTION postern.find_api_key(key_hash text) IS 'Kind and role of the key with this SHA-256, in lower-case hex.';

CREATE FUNCTION postern.flush() RETURNS void
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  insert into postern.changes (tag) values ('catalog')
$$;

COMMENT ON FUNCTION postern.flush() IS 'Says that anything may have changed: after writes that no trigger could see.';

CREATE FUNCTION postern.get_user(user_id uuid, session_id uuid) RETURNS jsonb
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select coalesce(
    (
      select jsonb_build_object('outcome', 'ok', 'user', auth.user_json(account))
      from auth.users as account
      where account.id = get_user.user_id
        and auth.has_session(get_user.user_id, get_user.session_id)
    ),
    auth.refusal('session_not_found')
  )
$$;

COMMENT ON FUNCTION postern.get_user(user_id uuid, session_id uuid) IS 'The user of a session that is alive.';

CREATE FUNCTION postern.is_harmless(name text) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN (name ~ ((((((((('^('::text || 'anytextcat|textanycat|array_to_json|array_to_string|concat|concat_ws|format|quote_literal|quote_nullable|length'::text) || '|convert|convert_from|convert_to|current_database|current_user|getpgusername'::text) || '|date|date_add|date_part|date_subtract|date_trunc|extract|generate_series|in_range|interval_pl_timestamptz'::text) || '|make_timestamptz|overlaps|time|timestamp|timestamptz|timetz|timezone|to_char|to_date|to_number|to_timestamp'::text) || '|(date|timestamp|timestamptz)_(cmp|eq|ge|gt|le|lt|ne)_(date|timestamp|timestamptz)|timestamptz_(pl|mi)_interval'::text) || '|enum_first|enum_last|enum_range|money|numeric'::text) || '|jsonb?_(build_array|build_object)|jsonb?_(object_)?agg(_(strict|unique|unique_strict))?|to_jsonb?|row_to_json'::text) || '|json_to_tsvector|jsonb_to_tsvector|to_tsvector|to_tsquery|plainto_tsquery|phraseto_tsquery|websearch_to_tsquery|ts_headline|get_current_ts_config'::text) || ')$'::text));

COMMENT ON FUNCTION postern.is_harmless(name text) IS 'Whether STABLE functions of this name in pg_catalog read neither clock nor session, but for the time zone.';

CREATE FUNCTION postern.log_ddl() RETURNS event_trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  touched oid[];
  schemas oid[];
  outdated oid[];
  made record;
begin
  -- It takes roles out of policies without a word.
  if tg_tag = 'DROP OWNED' then
    perform postern.flush();
  end if;
  -- Temporary objects come and go with every session that uses them. Indexes and comments change no answer.
  if tg_tag in ('CREATE INDEX', 'REINDEX', 'COMMENT') or not exists (
    select
    from pg_catalog.pg_event_trigger_ddl_commands() as command
    where command.schema_name is distinct from 'pg_temp'
  ) then
    return;
  end if;

  select
    array_agg(command.objid) filter (where command.classid = 'pg_catalog.pg_class'::regclass),
    array_agg(command.objid) filter (where command.classid = 'pg_catalog.pg_namespace'::regclass)
  into touched, schemas
  from pg_catalog.pg_event_trigger_ddl_commands() as command
  where command.schema_name is distinct from 'pg_temp';

  if tg_tag <> 'REFRESH MATERIALIZED VIEW' then
    perform postern.flush();
  end if;
  insert into postern.changes (tag, rows)
  select distinct postern.tag_of(class.oid), '{*}'::text[]
  from pg_catalog.pg_class as class
  where class.oid = any (touched)
    and class.relkind in ('r', 'p', 'v', 'm', 'f');

  if tg_tag = 'REFRESH MATERIALIZED VIEW' or current_setting('postern.is_tracking', true) = 'on' then
    return;
  end if;
  perform set_config('postern.is_tracking', 'on', true);
  -- Of a partition that was detached, of which no command tells: they would go on asking for a key that it may not have any more.
  begin
    perform postern.drop_triggers(class.oid)
    from pg_catalog.pg_class as class
    where (class.oid = any (touched) or tg_tag = 'ALTER TABLE')
      and exists (select from pg_catalog.pg_trigger where tgrelid = class.oid and tgname = 'postern_insert')
      and class.relkind in ('r', 'p')
      and not exists (
        select from postern.tracked_relations as tracked
        where tracked.relation = class.oid or tracked.relation = any (postern.roots_of(class.oid))
      );
  exception
    when others then
      raise warning 'triggers of a table that is not tracked any more are left: %', sqlerrm;
  end;
  if tg_tag in ('ALTER TABLE', 'ALTER INDEX') then
    -- One that was detached, or whose key became whole with the index of a partition, is not told of either. Of two roots of one
    -- child each would take its triggers from the other.
    outdated := array(
      select problem.root
      from postern.trigger_problems(array(select tracked.relation::oid from postern.tracked_relations as tracked)) as problem
      where problem.problem like '%out of date'
        and not exists (
          select from postern.family_of(problem.root) as member where cardinality(postern.roots_of(member.relation)) > 1
        )
    );
  end if;
  for made in
    select
      class.oid::regclass as relation,
      schema.staleness,
      tracked.relation is null as is_new
    from pg_catalog.pg_class as class
    left join postern.tracked_relations as tracked on tracked.relation = class.oid
    left join postern.tracked_schemas as schema on schema.schema = class.relnamespace
    where class.relkind in ('r', 'p')
      and class.relpersistence <> 't'
      and (
        (
          tracked.relation is not null
          -- That of its root counts.
          and not exists (select from pg_catalog.pg_inherits where pg_inherits.inhrelid = class.oid)
          and (
            class.relnamespace = any (schemas)
            or class.oid = any (outdated)
            -- Of a typed table it changes columns.
            or tg_tag = 'ALTER TYPE'
            or class.oid in (select unnest(postern.roots_of(one)) from unnest(touched) as one)
          )
        )
        or (
          schema.schema is not null
          and tracked.relation is null
          and class.oid = any (touched)
          and tg_tag in ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO')
          and not exists (select from pg_catalog.pg_inherits where pg_inherits.inhrelid = class.oid)
        )
      )
  loop
    -- What was asked for is done in any case. The catalog reports a table that is not tracked after all.
    begin
      if made.is_new then
        insert into postern.tracked_relations (relation, staleness) values (made.relation, made.staleness);
      end if;
      perform postern.make_triggers(made.relation, made.is_new);
    exception
      when others then
        raise warning '% is not tracked: %', made.relation, sqlerrm;
    end;
  end loop;
  perform set_config('postern.is_tracking', '', true);
end
$$;

COMMENT ON FUNCTION postern.log_ddl() IS 'Logs that the catalog changed or a materialized view was refreshed, and tracks new tables of tracked schemas.';

CREATE FUNCTION postern.log_drop() RETURNS event_trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  shortened regclass;
  was_tracking text := coalesce(current_setting('postern.is_tracking', true), '');
begin
  if not exists (
    select
    from pg_catalog.pg_event_trigger_dropped_objects() as dropped
    where not dropped.is_temporary
      and dropped.schema_name is distinct from 'pg_temp'
      and dropped.object_type not in ('index', 'toast table')
  ) then
    return;
  end if;
  perform postern.flush();
  insert into postern.changes (tag, rows)
  select distinct postern.quoted(dropped.schema_name) || '.' || postern.quoted(dropped.object_name), '{*}'::text[]
  from pg_catalog.pg_event_trigger_dropped_objects() as dropped
  where dropped.object_type in ('table', 'view', 'materialized view', 'foreign table')
    and not dropped.is_temporary
    and dropped.schema_name is distinct from 'pg_temp';
  delete from postern.tracked_relations
  using pg_catalog.pg_event_trigger_dropped_objects() as dropped
  where tracked_relations.relation = dropped.objid and dropped.classid = 'pg_catalog.pg_class'::regclass and dropped.objsubid = 0;
  delete from postern.tracked_schemas
  using pg_catalog.pg_event_trigger_dropped_objects() as dropped
  where tracked_schemas.schema = dropped.objid and dropped.classid = 'pg_catalog.pg_namespace'::regclass;
  delete from postern.cacheable_functions
  using pg_catalog.pg_event_trigger_dropped_objects() as dropped
  where cacheable_functions.function = dropped.objid and dropped.classid = 'pg_catalog.pg_proc'::regclass;
  -- A column that went with something else may have been of the key.
  perform set_config('postern.is_tracking', 'on', true);
  for shortened in
    select tracked.relation
    from postern.tracked_relations as tracked
    where tracked.relation in (
      select unnest(postern.roots_of(dropped.objid))
      from pg_catalog.pg_event_trigger_dropped_objects() as dropped
      where dropped.classid = 'pg_catalog.pg_class'::regclass and dropped.objsubid > 0
    )
  loop
    begin
      perform postern.make_triggers(shortened, false);
    exception
      when others then
        raise warning '% is not tracked: %', shortened, sqlerrm;
    end;
  end loop;
  perform set_config('postern.is_tracking', was_tracking, true);
end
$$;

COMMENT ON FUNCTION postern.log_drop() IS 'Logs that something was dropped, and forgets it.';

CREATE FUNCTION postern.log_start() RETURNS event_trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  if current_query() ~* '[[:<:]]detach[[:>:]].*[[:<:]]concurrently[[:>:]]' then
    perform postern.flush();
  end if;
end
$$;

COMMENT ON FUNCTION postern.log_start() IS 'Logs what shows before its end: that a partition is detached concurrently.';

CREATE FUNCTION postern.is_watched() RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN (SELECT (count(*) = 3) FROM pg_event_trigger WHERE (((((pg_event_trigger.evtname = 'postern_log_start'::name) AND (pg_event_trigger.evtfoid = ('postern.log_start()'::regprocedure)::oid)) OR ((pg_event_trigger.evtname = 'postern_log_ddl'::name) AND (pg_event_trigger.evtfoid = ('postern.log_ddl()'::regprocedure)::oid))) OR ((pg_event_trigger.evtname = 'postern_log_drop'::name) AND (pg_event_trigger.evtfoid = ('postern.log_drop()'::regprocedure)::oid))) AND (pg_event_trigger.evtenabled = 'A'::"char")));

COMMENT ON FUNCTION postern.is_watched() IS 'Whether changes of the catalog are logged as they happen.';

CREATE FUNCTION postern.key_expression(root oid) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
begin
  return (
    select case
      when count(*) = 0 then quote_literal('*')
      -- A tag should stay short.
      when bool_or(is_text) then format(
        'case when %s then %L else %s end',
        string_agg(format('octet_length(this.%I) > 200', name), ' or ' order by position) filter (where is_text),
        '*',
        string_agg(value, $s$ || ',' || $s$ order by position)
      )
      else string_agg(value, $s$ || ',' || $s$ order by position)
    end
    from (
      select
        key.name,
        key.position,
        type.is_text,
        case
          when type.is_text then format('postern.quoted(this.%I)', key.name)
          -- Not by a cast: there may be somebody's own.
          else format('textin(%s(this.%I))', output.typoutput, key.name)
        end as value
      from unnest(postern.row_key_of(root)) with ordinality as key (name, position)
      join pg_catalog.pg_attribute as attribute on attribute.attrelid = root and attribute.attname = key.name
      join pg_catalog.pg_type as output on output.oid = attribute.atttypid
      cross join lateral (select attribute.atttypid in ('pg_catalog.text'::regtype, 'pg_catalog.varchar'::regtype)) as type (is_text)
    ) as key_column
  );
end
$_$;

COMMENT ON FUNCTION postern.key_expression(root oid) IS 'SQL for the key of a row, which it calls this, as tags have it.';

CREATE FUNCTION postern.log_4de4ec7cbac9() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  insert into postern.changes (tag, rows)
  select tg_argv[0], changed.keys
  from (
    select array(select one.key from (select textin(uuid_out(this.follower)) || ',' || textin(uuid_out(this.followed)) from changed_rows as this) as one (key) limit 101)
    -- so that it is made once
    offset 0
  ) as changed (keys)
  -- Statement triggers fire for statements that found no row, too.
  where cardinality(changed.keys) > 0;
  return null;
end
$$;

COMMENT ON FUNCTION postern.log_4de4ec7cbac9() IS 'Trigger: logs which rows changed, by follower, followed.';

CREATE FUNCTION postern.log_4de4ec7cbac9_update() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  insert into postern.changes (tag, rows)
  select tg_argv[0], changed.keys
  from (
    select array(select one.key from (select textin(uuid_out(this.follower)) || ',' || textin(uuid_out(this.followed)) from new_rows as this union all select textin(uuid_out(this.follower)) || ',' || textin(uuid_out(this.followed)) from old_rows as this) as one (key) limit 101)
    -- so that it is made once
    offset 0
  ) as changed (keys)
  -- Statement triggers fire for statements that found no row, too.
  where cardinality(changed.keys) > 0;
  return null;
end
$$;

COMMENT ON FUNCTION postern.log_4de4ec7cbac9_update() IS 'Trigger: logs which rows changed, by follower, followed.';

CREATE FUNCTION postern.log_576e9dfb0283() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  insert into postern.changes (tag, rows)
  select tg_argv[0], changed.keys
  from (
    select array(select one.key from (select textin(int8out(this.id)) from changed_rows as this) as one (key) limit 101)
    -- so that it is made once
    offset 0
  ) as changed (keys)
  -- Statement triggers fire for statements that found no row, too.
  where cardinality(changed.keys) > 0;
  return null;
end
$$;

COMMENT ON FUNCTION postern.log_576e9dfb0283() IS 'Trigger: logs which rows changed, by id.';

CREATE FUNCTION postern.log_576e9dfb0283_update() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  insert into postern.changes (tag, rows)
  select tg_argv[0], changed.keys
  from (
    select array(select one.key from (select textin(int8out(this.id)) from new_rows as this union all select textin(int8out(this.id)) from old_rows as this) as one (key) limit 101)
    -- so that it is made once
    offset 0
  ) as changed (keys)
  -- Statement triggers fire for statements that found no row, too.
  where cardinality(changed.keys) > 0;
  return null;
end
$$;

COMMENT ON FUNCTION postern.log_576e9dfb0283_update() IS 'Trigger: logs which rows changed, by id.';

CREATE FUNCTION postern.log_b81337d69ab0() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  insert into postern.changes (tag, rows)
  select tg_argv[0], changed.keys
  from (
    select array(select one.key from (select textin(uuid_out(this.id)) from changed_rows as this) as one (key) limit 101)
    -- so that it is made once
    offset 0
  ) as changed (keys)
  -- Statement triggers fire for statements that found no row, too.
  where cardinality(changed.keys) > 0;
  return null;
end
$$;

COMMENT ON FUNCTION postern.log_b81337d69ab0() IS 'Trigger: logs which rows changed, by id.';

CREATE FUNCTION postern.log_b81337d69ab0_update() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  insert into postern.changes (tag, rows)
  select tg_argv[0], changed.keys
  from (
    select array(select one.key from (select textin(uuid_out(this.id)) from new_rows as this union all select textin(uuid_out(this.id)) from old_rows as this) as one (key) limit 101)
    -- so that it is made once
    offset 0
  ) as changed (keys)
  -- Statement triggers fire for statements that found no row, too.
  where cardinality(changed.keys) > 0;
  return null;
end
$$;

COMMENT ON FUNCTION postern.log_b81337d69ab0_update() IS 'Trigger: logs which rows changed, by id.';

CREATE FUNCTION postern.log_truncate() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  insert into postern.changes (tag, rows) values (tg_argv[0], '{*}');
  return null;
end
$$;

COMMENT ON FUNCTION postern.log_truncate() IS 'Trigger: logs that any row may have changed.';

CREATE FUNCTION postern.logger_of(key_expression text, event text) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN CASE event WHEN 'truncate'::text THEN 'log_truncate'::text ELSE (('log_'::text || "left"(md5(key_expression), 12)) || CASE event WHEN 'update'::text THEN '_update'::text ELSE ''::text END) END;

COMMENT ON FUNCTION postern.logger_of(key_expression text, event text) IS 'The name of the trigger function for an event on tables with a key.';

CREATE FUNCTION postern.make_loggers(root regclass) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
  key text := postern.key_expression(root);
  logger record;
  extension name;
begin
  for logger in
    select made.name, made.keys
    from (
      values
        (postern.logger_of(key, 'insert'), format('select %s from changed_rows as this', key)),
        -- A key that is changed names two rows.
        (postern.logger_of(key, 'update'), format('select %1$s from new_rows as this union all select %1$s from old_rows as this', key))
    ) as made (name, keys)
    where to_regprocedure(format('postern.%I()', made.name)) is null
  loop
    begin
      -- Security definer: whoever writes the table may not write the outbox.
      execute format(
        $create$
        create function postern.%1$I()
        returns trigger
        language plpgsql volatile security definer
        set search_path = pg_catalog, pg_temp
        as $body$
begin
  insert into postern.changes (tag, rows)
  select tg_argv[0], changed.keys
  from (
    select array(select one.key from (%2$s) as one (key) limit %3$s)
    -- so that it is made once
    offset 0
  ) as changed (keys)
  -- Statement triggers fire for statements that found no row, too.
  where cardinality(changed.keys) > 0;
  return null;
end
$body$
        $create$,
        logger.name,
        logger.keys,
        -- 101 of them mean any. Where rows have no key, each of them means that.
        case when postern.row_key_of(root) is null then 1 else 101 end
      );
      execute format('revoke execute on function postern.%I() from public', logger.name);
      execute format('comment on function postern.%I() is %L', logger.name,
        format('Trigger: logs which rows changed, by %s.', coalesce(array_to_string(postern.row_key_of(root), ', '), 'nothing but the table')));
      -- Made by the script of an extension it would be a part of it, and go with it.
      for extension in
        select pg_extension.extname
        from pg_catalog.pg_depend
        join pg_catalog.pg_extension on pg_extension.oid = pg_depend.refobjid
        where pg_depend.classid = 'pg_catalog.pg_proc'::regclass
          and pg_depend.objid = to_regprocedure(format('postern.%I()', logger.name))
          and pg_depend.deptype = 'e'
      loop
        execute format('alter extension %I drop function postern.%I()', extension, logger.name);
      end loop;
    exception
      -- Another session has just made it.
      when unique_violation or duplicate_function then null;
    end;
  end loop;
end
$_$;

COMMENT ON FUNCTION postern.make_loggers(root regclass) IS 'Makes the trigger functions for a table, where they are not there.';

CREATE FUNCTION postern.make_triggers(root regclass, enable boolean) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
  made record;
begin
  perform postern.make_loggers(root);
  for made in
    select problem.relation::regclass, problem.event, problem.problem not like '%ENABLE ALWAYS' as is_remade
    from postern.trigger_problems(array[root::oid]) as problem
    where problem.problem like 'has %'
      and (enable or problem.problem not like '%ENABLE ALWAYS')
  loop
    if made.is_remade then
      execute format(
        'create or replace trigger postern_%1$s after %1$s on %2$s %3$s for each statement execute function postern.%4$I(%5$L)',
        made.event,
        made.relation,
        case made.event
          when 'insert' then 'referencing new table as changed_rows'
          when 'delete' then 'referencing old table as changed_rows'
          when 'update' then 'referencing old table as old_rows new table as new_rows'
          else ''
        end,
        postern.logger_of(postern.key_expression(root), made.event),
        postern.tag_of(root)
      );
    end if;
    -- Also where session_replication_role is replica: a restore, for one. ONLY: each partition is handled by itself.
    execute format('alter table only %s enable always trigger postern_%s', made.relation, made.event);
  end loop;
end
$_$;

COMMENT ON FUNCTION postern.make_triggers(root regclass, enable boolean) IS 'Brings the triggers of a tracked table and its descendants up to date.';

CREATE FUNCTION postern.problems_in(tree text, expression text, timed_types oid[]) RETURNS text[]
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
  select array_remove(array[
    -- current_setting, without and with missing_ok
    case when (select count(*) from regexp_matches(tree, ':funcid (2077|3294) ', 'g'))
      > (select count(*) from regexp_matches(expression, postern.setting_readers(), 'g'))
      -- What is written twice, as in GROUP BY, may be one in the tree.
      or regexp_replace(expression, postern.setting_readers(), '', 'g') ~ 'current_setting\('
      then 'reads a setting that is not a named claim: ' || coalesce((
        select string_agg(distinct setting[1], ', ')
        from regexp_matches(regexp_replace(expression, postern.setting_readers(), '', 'g'), $re$current_setting\('([^']+)'$re$, 'g') as setting
      ), 'its name is computed')
    end,
    -- Casts and NULLIF are written alike, whoever made them. PostgreSQL has no function that casts to json or jsonb.
    case when expression ~ 'current_setting\(' and (
      tree ~ '{FUNCEXPR :funcid \d+ :funcresulttype (?:114|3802) (?::\w+ \w+ ){2}:funcformat [12] '
      or exists (select from regexp_matches(tree, '{NULLIFEXPR :opno (\d+) ', 'g') as found where found[1]::oid >= 16384)
    ) then 'reads a setting that is not a named claim: by a cast or an operator of the database''s own' end,
    case when postern.claims_in(expression) && '{exp,iat,nbf,jti}'
      then 'reads a claim that differs from token to token' end,
    case when tree ~ '{SQLVALUEFUNCTION :op [0-8] ' then 'reads the clock' end,
    case when tree ~ ':path_spec {(?!CONST )' or tree ~ '{JSONEXPR ' and expression ~ '\.(?:date|time)\w*\('
      then 'makes a date or time of a text in JSON' end,
    case when tree ~ '{SQLVALUEFUNCTION :op (12|14) ' then 'reads session_user or current_schema' end,
    case when tree ~ ':tablesample {' then 'reads a random sample' end,
    case when tree ~ '{NEXTVALUEEXPR' then 'takes a value of a sequence' end,
    -- ctid, xmin, cmin, xmax, cmax: VACUUM FULL and whoever locks a row change them, and fire no trigger.
    case when tree ~ '{VAR :varno \S+ :varattno -[1-5] ' then 'reads where a row is stored or which transactions touched it' end,
    case when tree ~ '{(COERCEVIAIO|TABLEFUNC|JSONEXPR) ' and exists (
      select
      from regexp_matches(tree, ':(?:resulttype|typid|coltypes) (?:\(o )?([1-9][\d ]*)', 'g') as found
      cross join regexp_split_to_table(rtrim(found[1]), ' ') as type
      where type::oid = any (timed_types)
    ) then 'makes a date or time of a text' end
  ], null)
$_$;

COMMENT ON FUNCTION postern.problems_in(tree text, expression text, timed_types oid[]) IS 'Why the value of an expression does not follow from tables and claims, as far as it says itself.';

CREATE FUNCTION postern.prune(retention interval DEFAULT '01:00:00'::interval, batch integer DEFAULT 10000) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  noted postern.horizon;
  snapshot pg_snapshot;
  pruned bigint;
begin
  -- Whoever prunes at the same time has it done for us.
  select * into noted from postern.horizon for update skip locked;
  if not found then
    return jsonb_build_object('pruned', 0, 'isDone', false);
  end if;
  -- Not before the lock: another session may have pruned further meanwhile.
  snapshot := pg_current_snapshot();

  if greatest(noted.pruned_below, noted.prune_next) > pg_snapshot_xmax(snapshot) then
    -- Loaded from a dump of another server, as are changes that can be seen and have ids that were not given out yet. By the
    -- snapshot of this very statement: by the one above, changes would go that were committed since.
    delete from postern.changes where changes.xid >= pg_snapshot_xmax(pg_current_snapshot());
    noted.pruned_below := '0';
    noted.prune_next := pg_snapshot_xmin(snapshot);
    noted.noted_at := clock_timestamp();
  elsif noted.noted_at <= clock_timestamp() - retention then
    noted.pruned_below := noted.prune_next;
    noted.prune_next := pg_snapshot_xmin(snapshot);
    noted.noted_at := clock_timestamp();
  end if;
  update postern.horizon
  set pruned_below = noted.pruned_below, prune_next = noted.prune_next, noted_at = noted.noted_at
  where horizon.noted_at <> noted.noted_at;

  delete from postern.changes
  where changes.ctid = any (array(
    select old.ctid
    from postern.changes as old
    where old.xid < noted.pruned_below
    limit batch
  ));
  get diagnostics pruned = row_count;
  return jsonb_build_object('pruned', pruned, 'isDone', pruned < batch);
end
$$;

COMMENT ON FUNCTION postern.prune(retention interval, batch integer) IS 'Removes changes that no cursor younger than retention can need, at most batch of them.';

CREATE FUNCTION postern.quoted(value text) RETURNS text
    LANGUAGE sql IMMUTABLE
    RETURN CASE WHEN ((value COLLATE "C") ~ '^[A-Za-z0-9_-]+$'::text) THEN value ELSE (('"'::text || replace(value, '"'::text, '""'::text)) || '"'::text) END;

COMMENT ON FUNCTION postern.quoted(value text) IS 'A name or a key value as part of a tag.';

CREATE FUNCTION postern.refresh_session(refresh_token text, address text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  hash bytea := auth.sha256(coalesce(refresh_token, ''));
  wait integer;
  account auth.users;
  session auth.sessions;
  presented auth.refresh_tokens;
begin
  select found.* into account
  from auth.refresh_tokens as token
  join auth.sessions as owner on owner.id = token.session_id
  join auth.users as found on found.id = owner.user_id
  where token.token_hash = hash;

  wait := coalesce(
    auth.count_attempt('refresh', 'address', auth.address_subject(address)),
    auth.count_attempt('refresh', 'account', account.id::text)
  );
  if wait is not null then
    return auth.refusal('throttled', wait);
  end if;

  -- Who presents tokens of one session waits here, and then sees what became of the one before.
  select owner.* into session
  from auth.refresh_tokens as token
  join auth.sessions as owner on owner.id = token.session_id
  where token.token_hash = hash
  for update of owner;
  select * into presented
  from auth.refresh_tokens as token
  where token.token_hash = hash;

  if presented.token_hash is null then
    perform auth.prune();
    return auth.refusal('refresh_token_unknown');
  elsif not auth.has_session(account.id, session.id) then
    return auth.refusal('session_ended');
  elsif presented.used_at is not null then
    -- A client that lost the answer may ask again: for 10 s, and while nobody has used what it would have got, which is used up by this.
    update auth.refresh_tokens as successor
    set used_at = now()
    where successor.token_hash = presented.successor_hash
      and successor.used_at is null
      and presented.used_at > now() - interval '10 seconds';
    if not found then
      -- Somebody else has it. Who of the two is the thief cannot be told.
      perform auth.end_sessions(array[session.id], 'token_reused');
      return auth.refusal('refresh_token_reused');
    end if;
  end if;

  update auth.refresh_tokens as token
  set used_at = coalesce(token.used_at, now())
  where token.token_hash = hash;
  update auth.sessions as owner
  set refreshed_at = now()
  where owner.id = session.id;
  perform auth.prune();
  return auth.session_json(account, session.id, auth.issue_refresh_token(session.id, hash));
end
$$;

COMMENT ON FUNCTION postern.refresh_session(refresh_token text, address text) IS 'Takes a refresh token and gives the next one.';

CREATE FUNCTION postern.reload_after_ddl() RETURNS event_trigger
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

COMMENT ON FUNCTION postern.reload_after_ddl() IS 'Tells PostgREST that something was created or altered.';

CREATE FUNCTION postern.reload_after_drop() RETURNS event_trigger
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

COMMENT ON FUNCTION postern.reload_after_drop() IS 'Tells PostgREST that something was dropped.';

CREATE FUNCTION postern.revoke_api_key(id bigint) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  update auth.api_keys as key
  set revoked_at = coalesce(key.revoked_at, now())
  where key.id = revoke_api_key.id;
  if not found then
    raise sqlstate '22023' using message = format('there is no key %s', id), hint = 'The keys are in postern.api_keys.';
  end if;
end
$$;

COMMENT ON FUNCTION postern.revoke_api_key(id bigint) IS 'For the operator: from now on the database does not know the key.';

CREATE FUNCTION postern.roots_of(relation oid) RETURNS oid[]
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  return (
    with recursive ancestors (oid) as (
      select relation
      union
      select pg_inherits.inhparent
      from ancestors
      join pg_catalog.pg_inherits on pg_inherits.inhrelid = ancestors.oid
    )
    select array_agg(ancestors.oid order by ancestors.oid)
    from ancestors
    where not exists (select from pg_catalog.pg_inherits where pg_inherits.inhrelid = ancestors.oid)
  );
end
$$;

COMMENT ON FUNCTION postern.roots_of(relation oid) IS 'The relations at the top of the partition or inheritance tree of a relation.';

CREATE FUNCTION postern.row_key_of(root oid) RETURNS text[]
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  return (
    select case when bool_and(is_nameable) then array_agg(name order by position) end
    from (
      select
        attribute.attname::text as name,
        key.position,
        attribute.atttypid in (
          'pg_catalog.int2'::regtype, 'pg_catalog.int4'::regtype, 'pg_catalog.int8'::regtype, 'pg_catalog.uuid'::regtype,
          'pg_catalog.text'::regtype, 'pg_catalog.varchar'::regtype
        )
        -- Two texts can be equal under a collation that is not deterministic.
        and not exists (
          select from pg_catalog.pg_collation
          where pg_collation.oid = attribute.attcollation and not pg_collation.collisdeterministic
        ) as is_nameable
      from pg_catalog.pg_index as index
      cross join unnest(index.indkey::int2[]) with ordinality as key (attnum, position)
      join pg_catalog.pg_attribute as attribute on attribute.attrelid = index.indrelid and attribute.attnum = key.attnum
      where index.indrelid = root
        and index.indisprimary
        and index.indisvalid
        and key.position <= index.indnkeyatts
    ) as key_column
  );
end
$$;

COMMENT ON FUNCTION postern.row_key_of(root oid) IS 'The columns that name a row in tags, or null.';

CREATE FUNCTION postern.setting_readers() RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
  select format(
    $re$\(+(?:%1$s|(?:NULLIF|COALESCE)\(%1$s, '(?:|{})'::text\)|COALESCE\(NULLIF\(%1$s, ''::text\), '{}'::text\))\)::jsonb?(?: ->>? '((?:[^']|'')+)'::text| #>>? '{([A-Za-z0-9_-]+)(?:,[^']*)?}'::text\[\]|\)\['((?:[^']|'')+)'::text\])|current_setting\('request\.jwt\.claim\.([^']+)'::text(?:, (?:true|false))?\)|current_setting\('(?:role)'::text(?:, (?:true|false))?\)$re$,
    $re$current_setting\('request\.jwt\.claims'::text(?:, (?:true|false))?\)$re$
  )
$_$;

COMMENT ON FUNCTION postern.setting_readers() IS 'Regular expression of the known ways to read a claim, which is one of its groups; the role is none.';

CREATE FUNCTION postern.sign_in(email text, password text, bcrypt_cost integer, address text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
  account text := auth.account_subject(email);
  network text := auth.address_subject(address);
  wait integer;
  known auth.users;
  hash text;
begin
  wait := coalesce(
    auth.seconds_to_wait('sign_in', 'address', network),
    auth.count_attempt('sign_in', 'account', account)
  );
  if wait is not null then
    return auth.refusal('throttled', wait);
  end if;

  select * into known
  from auth.users as candidate
  where candidate.email = auth.normalise_email(sign_in.email);
  if not auth.verify_password(password, known.password_hash, bcrypt_cost) then
    perform auth.count_attempt('sign_in', 'address', network);
    perform auth.prune();
    return auth.refusal('invalid_credentials');
  end if;

  hash := known.password_hash;
  if hash not like format('$2a$%s$%%', lpad(bcrypt_cost::text, 2, '0')) then
    hash := auth.hash_password(password, bcrypt_cost);
  end if;
  update auth.users as candidate
  set last_sign_in_at = now(), password_hash = hash
  where candidate.id = known.id
    -- A password that was changed meanwhile has ended all sessions; the old one must not begin another.
    and candidate.password_hash = known.password_hash
  returning * into known;
  if not found then
    return auth.refusal('invalid_credentials');
  end if;
  perform auth.forgive('sign_in', 'account', account);
  perform auth.prune();
  return auth.begin_session(known);
end
$_$;

COMMENT ON FUNCTION postern.sign_in(email text, password text, bcrypt_cost integer, address text) IS 'Begins a session for who knows the password.';

CREATE FUNCTION postern.sign_out(user_id uuid, session_id uuid, scope text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  if scope is null or scope not in ('local', 'global', 'others') then
    raise sqlstate '22023' using message = 'the scope is not local, global or others';
  end if;
  if not auth.has_session(user_id, session_id) then
    return auth.refusal('session_not_found');
  end if;
  perform auth.end_sessions(
    array(
      select session.id
      from auth.sessions as session
      where session.user_id = sign_out.user_id
        and session.ended_at is null
        and case scope
          when 'local' then session.id = sign_out.session_id
          when 'others' then session.id <> sign_out.session_id
          else true
        end
    ),
    'signed_out'
  );
  return '{"outcome": "ok"}';
end
$$;

COMMENT ON FUNCTION postern.sign_out(user_id uuid, session_id uuid, scope text) IS 'Ends this session of the user, all of them, or all others.';

CREATE FUNCTION postern.sign_up(email text, password text, fullname text, user_metadata jsonb, bcrypt_cost integer, address text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  network text := auth.address_subject(address);
  hash text;
  wait integer;
  made auth.users;
begin
  if auth.normalise_email(email) is null then
    return auth.refusal('invalid_email');
  elsif not auth.is_password(password) then
    return auth.refusal('invalid_password');
  elsif fullname is null or length(fullname) not between 1 and 300 then
    return auth.refusal('invalid_fullname');
  elsif jsonb_typeof(user_metadata) <> 'object' or octet_length(user_metadata::text) > 4096 then
    return auth.refusal('invalid_user_metadata');
  end if;

  wait := coalesce(
    auth.seconds_to_wait('sign_up', 'address', network),
    auth.count_attempt('sign_up', 'account', auth.account_subject(email))
  );
  if wait is not null then
    return auth.refusal('throttled', wait);
  end if;

  hash := auth.hash_password(password, bcrypt_cost);
  perform auth.count_attempt('sign_up', 'address', network);
  insert into auth.users (email, password_hash, fullname, user_metadata, last_sign_in_at)
  values (auth.normalise_email(sign_up.email), hash, sign_up.fullname, coalesce(sign_up.user_metadata, '{}'), now())
  on conflict on constraint email_is_unique do nothing
  returning * into made;
  perform auth.prune();
  if made.id is null then
    return auth.refusal('email_taken');
  end if;
  return auth.begin_session(made);
end
$$;

COMMENT ON FUNCTION postern.sign_up(email text, password text, fullname text, user_metadata jsonb, bcrypt_cost integer, address text) IS 'Makes a user and signs it in.';

CREATE FUNCTION postern.status() RETURNS jsonb
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET jit TO 'off'
    AS $$
  select jsonb_build_object(
    'epoch', case when not pg_is_in_recovery() then postern.epoch() end,
    'isWatched', postern.is_watched(),
    'lost', case when postern.is_watched() then '[]'::jsonb else jsonb_build_array(
      'changes of the schema, of policies and of grants are seen only when the catalog is read again',
      'new partitions and new tables of a tracked schema are tracked only after postern.track or postern.track_schema is called again',
      'materialized views are not cached: nothing tells of their REFRESH'
    ) end,
    'tracked', (
      select coalesce(jsonb_agg(jsonb_build_object('relation', postern.tag_of(tracked.relation), 'problem', facts.problem) order by tracked.relation::text), '[]')
      from postern.tracked_relations as tracked
      join postern.relation_facts as facts on facts.node = tracked.relation
    ),
    'changes', (select count(*) from postern.changes)
  )
$$;

COMMENT ON FUNCTION postern.status() IS 'For the operator: what is tracked, what is wrong with it, and what is lost without event triggers.';

CREATE FUNCTION postern.tag_of(relation oid) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  root oid := (postern.roots_of(relation))[1];
begin
  return (
    -- Not of pg_class: to a snapshot that is older than somebody's change of it, and our own, it has two rows for one relation.
    select postern.quoted(address.object_names[1]) || '.' || postern.quoted(address.object_names[2])
    from pg_identify_object_as_address('pg_catalog.pg_class'::regclass, root, 0) as address
  );
end
$$;

COMMENT ON FUNCTION postern.tag_of(relation oid) IS 'The tag of a relation.';

CREATE FUNCTION postern.touch_updated_at() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  new.updated_at := now();
  return new;
end
$$;

COMMENT ON FUNCTION postern.touch_updated_at() IS 'Trigger: sets updated_at of a changed row to the time of its transaction.';

CREATE FUNCTION postern.track(relation regclass, staleness interval DEFAULT NULL::interval) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  root regclass := postern.trackable_root(relation);
begin
  -- The event triggers leave what happens here alone.
  perform set_config('postern.is_tracking', 'on', true);
  insert into postern.tracked_relations (relation, staleness)
  values (root, track.staleness)
  on conflict on constraint tracked_relations_pkey do update
  set staleness = excluded.staleness;
  perform postern.make_triggers(root, true);
  perform postern.flush();
  perform set_config('postern.is_tracking', '', true);
end
$$;

COMMENT ON FUNCTION postern.track(relation regclass, staleness interval) IS 'Logs the changes of a table, with its partitions and children. staleness: how old an answer from it may be, where that is not the gateway''s default.';

CREATE FUNCTION postern.track_schema(schema regnamespace, staleness interval DEFAULT NULL::interval) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  class record;
begin
  insert into postern.tracked_schemas (schema, staleness)
  values (track_schema.schema, track_schema.staleness)
  on conflict on constraint tracked_schemas_pkey do update
  set staleness = excluded.staleness;
  for class in
    select pg_class.oid::regclass as relation, pg_class.relkind = 'f' as is_foreign
    from pg_catalog.pg_class
    where pg_class.relnamespace = track_schema.schema
      and pg_class.relkind in ('r', 'p', 'f')
      and not exists (select from pg_catalog.pg_inherits where pg_inherits.inhrelid = pg_class.oid)
    order by pg_class.relname
  loop
    if class.is_foreign then
      raise notice '% is a foreign table and is not tracked', class.relation;
      continue;
    end if;
    begin
      perform postern.track(class.relation, track_schema.staleness);
    exception
      when wrong_object_type or feature_not_supported then
        raise notice '% is not tracked: %', class.relation, sqlerrm;
    end;
  end loop;
end
$$;

COMMENT ON FUNCTION postern.track_schema(schema regnamespace, staleness interval) IS 'Tracks every table of a schema, and from now on each that is made in it.';

CREATE FUNCTION postern.trackable_root(relation regclass) RETURNS regclass
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  class pg_catalog.pg_class;
  roots oid[];
begin
  select * into class from pg_catalog.pg_class where pg_class.oid = relation;
  if class.relkind = 'v' then
    raise exception '% is a view', relation
      using errcode = 'wrong_object_type', hint = 'Track the tables that it reads: postern.catalog finds them by itself.';
  elsif class.relkind = 'm' then
    raise exception '% is a materialized view', relation
      using errcode = 'wrong_object_type', hint = 'It need not be tracked: REFRESH MATERIALIZED VIEW is logged by itself.';
  elsif class.relkind = 'f' then
    raise exception '% is a foreign table', relation
      using errcode = 'wrong_object_type', hint = 'Its changes happen elsewhere. Copy it into a table or a materialized view.';
  elsif class.relkind is null or class.relkind not in ('r', 'p') then
    raise exception '% is not a table', relation using errcode = 'wrong_object_type';
  elsif class.relpersistence = 't' then
    raise exception '% is a temporary table', relation using errcode = 'wrong_object_type';
  elsif class.relnamespace in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace, 'postern'::regnamespace) then
    raise exception '% is not a table of yours', relation using errcode = 'wrong_object_type';
  end if;
  roots := postern.roots_of(relation);
  if cardinality(roots) > 1 then
    raise exception '% inherits from several tables: %', relation, roots::regclass[]
      using errcode = 'feature_not_supported', hint = 'Its changes cannot be told apart from theirs. Leave it untracked, or give it one root.';
  end if;
  if exists (
    select
    from postern.family_of(roots[1]) as member
    join pg_catalog.pg_class as descendant on descendant.oid = member.relation
    where descendant.relkind = 'f'
  ) then
    raise exception '% has a partition that is a foreign table', roots[1]::regclass
      using errcode = 'wrong_object_type', hint = 'Its changes happen elsewhere. Detach it, or leave the table untracked.';
  end if;
  if roots[1] <> relation then
    raise notice '% belongs to %, which stands for all of its partitions or children', relation, roots[1]::regclass;
  end if;
  return roots[1];
end
$$;

COMMENT ON FUNCTION postern.trackable_root(relation regclass) IS 'What is tracked when a relation is; an error that says what to do, where it cannot be.';

CREATE FUNCTION postern.trigger_problems(roots oid[]) RETURNS TABLE(root oid, relation oid, event text, problem text)
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  with recursive family (root, relation) as (
    select member.root, member.root
    from unnest(roots) as member (root)
    union
    select family.root, pg_inherits.inhrelid
    from family
    join pg_catalog.pg_inherits on pg_inherits.inhparent = family.relation
  ),
  named as materialized (
    select
      member.root,
      postern.key_expression(member.root) as key,
      convert_to(postern.tag_of(member.root), getdatabaseencoding()) || decode('00', 'hex') as args
    from unnest(roots) as member (root)
  ),
  expected as materialized (
    select
      named.root,
      named.args,
      event.name,
      event.type,
      to_regprocedure(format('postern.%I()', postern.logger_of(named.key, event.name)))::oid as logger
    from named
    -- after, statement level: none of the bits 1 (row) and 2 (before)
    cross join (values ('insert', 4), ('delete', 8), ('update', 16), ('truncate', 32)) as event (name, type)
  )
  select
    family.root,
    class.oid,
    expected.name,
    case
      when class.relkind = 'f' then 'is a foreign table: changes of it are not seen'
      when trigger.oid is null then format('has no trigger postern_%s', expected.name)
      when trigger.tgfoid is distinct from expected.logger
        or trigger.tgargs is distinct from expected.args
        or trigger.tgtype <> expected.type
        or trigger.tgqual is not null
        then format('has a trigger postern_%s that is out of date', expected.name)
      when trigger.tgenabled <> 'A' then format('has a trigger postern_%s that is not ENABLE ALWAYS', expected.name)
      when exists (select from pg_catalog.pg_subscription_rel where pg_subscription_rel.srrelid = class.oid)
        then 'is written by logical replication, which fires no statement triggers'
      -- Who writes to the other parent fires its triggers alone.
      when exists (
        select from pg_catalog.pg_inherits
        where pg_inherits.inhrelid = class.oid
          and not exists (select from family as other where other.root = family.root and other.relation = pg_inherits.inhparent)
      ) then 'inherits from several tables'
    end
  from family
  join expected on expected.root = family.root
  join pg_catalog.pg_class as class on class.oid = family.relation
  left join pg_catalog.pg_trigger as trigger
    on trigger.tgrelid = class.oid and trigger.tgname = 'postern_' || expected.name and not trigger.tgisinternal
  -- Nobody else sees what is in it.
  where class.relpersistence <> 't'
$$;

COMMENT ON FUNCTION postern.trigger_problems(roots oid[]) IS 'For each trigger of tracked tables and their descendants what is wrong with it, or null.';

CREATE FUNCTION postern.undeclare_cacheable(function regprocedure) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  delete from postern.cacheable_functions as declared where declared.function = undeclare_cacheable.function;
  perform postern.flush();
end
$$;

COMMENT ON FUNCTION postern.undeclare_cacheable(function regprocedure) IS 'Vouches for a function no longer.';

CREATE FUNCTION postern.untrack(relation regclass) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  root regclass := (postern.roots_of(relation))[1];
begin
  perform set_config('postern.is_tracking', 'on', true);
  delete from postern.tracked_relations as tracked where tracked.relation in (root, untrack.relation);
  perform postern.drop_triggers(root);
  perform postern.flush();
  perform set_config('postern.is_tracking', '', true);
end
$$;

COMMENT ON FUNCTION postern.untrack(relation regclass) IS 'Logs the changes of a table no longer: answers from it are not cached any more.';

CREATE FUNCTION postern.untrack_schema(schema regnamespace) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  class record;
begin
  delete from postern.tracked_schemas as tracked where tracked.schema = untrack_schema.schema;
  for class in
    select tracked.relation
    from postern.tracked_relations as tracked
    join pg_catalog.pg_class on pg_class.oid = tracked.relation
    where pg_class.relnamespace = untrack_schema.schema
  loop
    perform postern.untrack(class.relation);
  end loop;
end
$$;

COMMENT ON FUNCTION postern.untrack_schema(schema regnamespace) IS 'Tracks no table of a schema any longer.';

CREATE FUNCTION postern.update_user(user_id uuid, session_id uuid, changes jsonb, bcrypt_cost integer) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  -- A null in user_metadata takes the key away, as clients of GoTrue expect.
  metadata jsonb := coalesce(changes -> 'user_metadata', '{}');
  hash text;
  wait integer;
  account auth.users;
begin
  if jsonb_typeof(changes) is distinct from 'object' or changes - '{email,password,fullname,user_metadata}'::text[] <> '{}' then
    raise sqlstate '22023' using message = 'the changes are no object of email, password, fullname and user_metadata';
  elsif not auth.has_session(user_id, session_id) then
    return auth.refusal('session_not_found');
  elsif changes ? 'email' and auth.normalise_email(changes ->> 'email') is null then
    return auth.refusal('invalid_email');
  elsif changes ? 'password' and not auth.is_password(changes ->> 'password') then
    return auth.refusal('invalid_password');
  elsif changes ? 'fullname' and coalesce(length(changes ->> 'fullname'), 0) not between 1 and 300 then
    return auth.refusal('invalid_fullname');
  elsif jsonb_typeof(metadata) <> 'object' then
    return auth.refusal('invalid_user_metadata');
  end if;

  if changes ? 'password' then
    wait := auth.count_attempt('change_password', 'account', user_id::text);
    if wait is not null then
      return auth.refusal('throttled', wait);
    end if;
    hash := auth.hash_password(changes ->> 'password', bcrypt_cost);
  end if;

  -- Changes of one user follow each other. The session is looked at once more, since it may have ended meanwhile.
  select * into account
  from auth.users as candidate
  where candidate.id = update_user.user_id
  for no key update;
  if not auth.has_session(user_id, session_id) then
    return auth.refusal('session_not_found');
  end if;
  metadata := (
    select coalesce(jsonb_object_agg(entry.key, entry.value), '{}')
    from jsonb_each(account.user_metadata || metadata) as entry
    where entry.value <> 'null' or not metadata ? entry.key
  );
  if octet_length(metadata::text) > 4096 then
    return auth.refusal('invalid_user_metadata');
  end if;

  begin
    update auth.users as candidate
    set email = coalesce(auth.normalise_email(changes ->> 'email'), candidate.email),
        password_hash = coalesce(hash, candidate.password_hash),
        fullname = coalesce(changes ->> 'fullname', candidate.fullname),
        user_metadata = metadata
    where candidate.id = account.id
    returning * into account;
  exception
    -- Undoes this block alone: what was counted stays.
    when unique_violation then
      return auth.refusal('email_taken');
  end;

  if hash is not null then
    perform auth.end_sessions(
      array(
        select session.id
        from auth.sessions as session
        where session.user_id = account.id and session.id <> update_user.session_id and session.ended_at is null
      ),
      'password_changed'
    );
  end if;
  return jsonb_build_object('outcome', 'ok', 'user', auth.user_json(account));
end
$$;

COMMENT ON FUNCTION postern.update_user(user_id uuid, session_id uuid, changes jsonb, bcrypt_cost integer) IS 'Changes what is named of a user. A new password ends the user''s other sessions.';

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

COMMENT ON TABLE api.profiles IS 'What everybody may know of a user.';

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

CREATE TABLE auth.api_keys (
    id bigint NOT NULL,
    name text NOT NULL,
    key_hash bytea NOT NULL,
    hint text NOT NULL,
    kind text NOT NULL,
    role name NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    revoked_at timestamp with time zone,
    CONSTRAINT kind_is_publishable_or_secret CHECK ((kind = ANY (ARRAY['publishable'::text, 'secret'::text]))),
    CONSTRAINT name_has_1_to_100_characters CHECK (((length(name) >= 1) AND (length(name) <= 100))),
    CONSTRAINT publishable_is_anonymous CHECK (((kind = 'secret'::text) OR (role = 'anon'::name)))
);

COMMENT ON TABLE auth.api_keys IS 'A key of a program: publishable ones stand for nobody, secret ones for a role.';

ALTER TABLE auth.api_keys ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME auth.api_keys_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE auth.limits (
    action text NOT NULL,
    scope text NOT NULL,
    attempts integer NOT NULL,
    per interval NOT NULL,
    CONSTRAINT attempts_is_positive CHECK (((attempts >= 1) AND (attempts <= 1000000))),
    CONSTRAINT per_is_positive CHECK ((per > '00:00:00'::interval)),
    CONSTRAINT scope_is_account_or_address CHECK ((scope = ANY (ARRAY['account'::text, 'address'::text])))
);

COMMENT ON TABLE auth.limits IS 'How many attempts there may be in a time. To be changed by the operator; without a row there is no limit.';

CREATE TABLE auth.refresh_tokens (
    token_hash bytea NOT NULL,
    session_id uuid NOT NULL,
    issued_at timestamp with time zone DEFAULT now() NOT NULL,
    used_at timestamp with time zone,
    successor_hash bytea
);

COMMENT ON TABLE auth.refresh_tokens IS 'The hash of a refresh token. Of each session at most one is unused.';

CREATE TABLE auth.sessions (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    user_id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    refreshed_at timestamp with time zone DEFAULT now() NOT NULL,
    ended_at timestamp with time zone,
    end_reason text,
    CONSTRAINT end_reason_is_known CHECK ((end_reason = ANY (ARRAY['signed_out'::text, 'token_reused'::text, 'password_changed'::text]))),
    CONSTRAINT ended_for_a_reason CHECK (((ended_at IS NULL) = (end_reason IS NULL)))
);

COMMENT ON TABLE auth.sessions IS 'A user signed in somewhere.';

CREATE TABLE auth.throttles (
    action text NOT NULL,
    scope text NOT NULL,
    subject text NOT NULL,
    attempts integer NOT NULL,
    until timestamp with time zone NOT NULL
);

COMMENT ON TABLE auth.throttles IS 'The attempts of one account or address in a time that ends at until.';

CREATE VIEW postern.api_keys WITH (security_invoker='true') AS
 SELECT id,
    name,
    hint,
    kind,
    role,
    created_at,
    revoked_at
   FROM auth.api_keys;

COMMENT ON VIEW postern.api_keys IS 'For the operator: the API keys, without what could find or forge one.';

CREATE TABLE postern.cacheable_functions (
    function regprocedure NOT NULL,
    reads regclass[] NOT NULL,
    claims text[] NOT NULL,
    definition text NOT NULL
);

COMMENT ON TABLE postern.cacheable_functions IS 'Functions whose results follow from their arguments, the relations they read and the claims. definition: what was vouched for. Written by postern.declare_cacheable.';

CREATE TABLE postern.changes (
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    tag text NOT NULL COLLATE pg_catalog."C",
    rows text[] COLLATE pg_catalog."C"
);

COMMENT ON TABLE postern.changes IS 'The outbox: what each transaction changed, under its top-level transaction id. Read by postern.changes_since.';

CREATE VIEW postern.expressions AS
 WITH expressed(kind, node, tree, expression) AS (
         SELECT 'relation'::text AS "?column?",
            rule.ev_class,
            (rule.ev_action)::text AS ev_action,
            pg_get_viewdef(rule.ev_class) AS pg_get_viewdef
           FROM (pg_rewrite rule
             JOIN pg_class class ON ((class.oid = rule.ev_class)))
          WHERE ((rule.ev_type = '1'::"char") AND (class.relkind = 'v'::"char") AND (class.relnamespace <> ALL (ARRAY[('pg_catalog'::regnamespace)::oid, ('information_schema'::regnamespace)::oid])))
        UNION ALL
         SELECT 'policy'::text,
            policy.oid,
            (policy.polqual)::text AS polqual,
            pg_get_expr(policy.polqual, policy.polrelid) AS pg_get_expr
           FROM pg_policy policy
          WHERE ((policy.polcmd = ANY (ARRAY['r'::"char", '*'::"char"])) AND (policy.polqual IS NOT NULL))
        UNION ALL
         SELECT 'function'::text,
            proc.oid,
            concat_ws(' '::text, body.tree, (proc.proargdefaults)::text) AS concat_ws,
            concat_ws(' '::text, body.expression, pg_get_expr(proc.proargdefaults, (0)::oid)) AS concat_ws
           FROM (pg_proc proc
             LEFT JOIN LATERAL ( SELECT (proc.prosqlbody)::text AS prosqlbody,
                    pg_get_function_sqlbody(proc.oid) AS pg_get_function_sqlbody
                  WHERE (NOT (EXISTS ( SELECT
                           FROM postern.cacheable_functions declared
                          WHERE ((declared.function)::oid = proc.oid))))) body(tree, expression) ON (true))
          WHERE (((proc.pronamespace <> ('pg_catalog'::regnamespace)::oid) OR (proc.oid >= (16384)::oid)) AND (COALESCE(body.tree, (proc.proargdefaults)::text) IS NOT NULL))
        )
 SELECT kind,
    node,
    tree,
    regexp_replace(expression, '(''(?:[^'']|'''')*'')|"(?:[^"]|"")*"'::text, '\1'::text, 'g'::text) AS expression
   FROM expressed;

COMMENT ON VIEW postern.expressions IS 'The parse trees that postern.catalog looks into.';

CREATE VIEW postern.type_parts AS
 SELECT type.oid AS type,
    type.typbasetype AS part
   FROM pg_type type
  WHERE (type.typtype = 'd'::"char")
UNION ALL
 SELECT type.oid AS type,
    type.typelem AS part
   FROM pg_type type
  WHERE (type.typelem <> (0)::oid)
UNION ALL
 SELECT class.reltype AS type,
    attribute.atttypid AS part
   FROM (pg_class class
     JOIN pg_attribute attribute ON (((attribute.attrelid = class.oid) AND (attribute.attnum > 0))))
  WHERE (class.reltype <> (0)::oid)
UNION ALL
 SELECT range.rngtypid AS type,
    range.rngsubtype AS part
   FROM pg_range range
UNION ALL
 SELECT range.rngmultitypid AS type,
    range.rngsubtype AS part
   FROM pg_range range;

COMMENT ON VIEW postern.type_parts IS 'What domains, arrays, composites and ranges are made of.';

CREATE VIEW postern.type_functions AS
 WITH RECURSIVE own(type, function) AS (
         SELECT side.type,
            pg_cast.castfunc
           FROM (pg_cast
             CROSS JOIN LATERAL ( VALUES (pg_cast.castsource,pg_cast.casttarget), (pg_cast.casttarget,pg_cast.castsource)) side(type, other))
          WHERE ((pg_cast.oid >= (16384)::oid) AND (side.other = ANY (ARRAY[('json'::regtype)::oid, ('jsonb'::regtype)::oid, ('text'::regtype)::oid])))
        UNION
         SELECT side.type,
            (operator.oprcode)::oid AS oprcode
           FROM (pg_operator operator
             CROSS JOIN LATERAL ( VALUES (operator.oprleft), (operator.oprright)) side(type))
          WHERE ((operator.oid >= (16384)::oid) AND (operator.oprname = ANY (ARRAY['='::name, '<>'::name, '<'::name, '<='::name, '>'::name, '>='::name, '~'::name, '~*'::name, '~~'::name, '~~*'::name, '@@'::name, '@>'::name, '<@'::name, '&&'::name, '<<'::name, '>>'::name, '&<'::name, '&>'::name, '-|-'::name])))
        UNION
         SELECT side.type,
            (operator.oprcode)::oid AS oprcode
           FROM ((pg_amop member
             JOIN pg_operator operator ON ((operator.oid = member.amopopr)))
             CROSS JOIN LATERAL ( VALUES (member.amoplefttype), (member.amoprighttype)) side(type))
          WHERE (member.oid >= (16384)::oid)
        UNION
         SELECT side.type,
            (support.amproc)::oid AS amproc
           FROM (pg_amproc support
             CROSS JOIN LATERAL ( VALUES (support.amproclefttype), (support.amprocrighttype)) side(type))
          WHERE (support.oid >= (16384)::oid)
        ), called(type, function) AS (
         SELECT own.type,
            own.function
           FROM ((own
             JOIN pg_proc proc ON ((proc.oid = own.function)))
             JOIN pg_language language ON ((language.oid = proc.prolang)))
          WHERE ((proc.provolatile <> 'i'::"char") OR (language.lanname <> ALL (ARRAY['internal'::name, 'c'::name])))
        UNION
         SELECT type_parts.type,
            called_1.function
           FROM (called called_1
             JOIN postern.type_parts ON ((type_parts.part = called_1.type)))
        )
 SELECT type,
    function
   FROM called;

COMMENT ON VIEW postern.type_functions IS 'What is called where a value of a type is read or filtered, unnamed.';

CREATE VIEW postern.dependencies AS
 WITH called AS (
         SELECT expressions.kind,
            expressions.node,
            (found.found[1])::oid AS function
           FROM (postern.expressions
             CROSS JOIN LATERAL regexp_matches(expressions.tree, ':(?:funcid (?!(?:2077|3294) )|(?:opfuncid|aggfnoid|winfnoid|startInRangeFunc|endInRangeFunc) )([1-9]\d*)'::text, 'g'::text) found(found))
        UNION
         SELECT expressions.kind,
            expressions.node,
            (operator.oprcode)::oid AS oprcode
           FROM (((postern.expressions
             CROSS JOIN LATERAL regexp_matches(expressions.tree, ':(?:opno|opnos|eqop|sortop) (?:\(o )?([1-9][\d ]*)'::text, 'g'::text) found(found))
             CROSS JOIN LATERAL regexp_split_to_table(rtrim(found.found[1]), ' '::text) named(named))
             JOIN pg_operator operator ON ((operator.oid = (named.named)::oid)))
        ), edges(kind, node, to_kind, to_node) AS (
         SELECT called.kind,
            called.node,
            'function'::text AS "?column?",
            called.function
           FROM called
        UNION
         SELECT expressions.kind,
            expressions.node,
            'relation'::text,
            (found.found[1])::oid AS found
           FROM (postern.expressions
             CROSS JOIN LATERAL regexp_matches(expressions.tree, ':relid ([1-9]\d*)'::text, 'g'::text) found(found))
          WHERE ((expressions.kind IS DISTINCT FROM 'relation'::text) OR (expressions.node IS DISTINCT FROM (found.found[1])::oid))
        UNION
         SELECT 'relation'::text,
            policy.polrelid,
            'policy'::text,
            policy.oid
           FROM (pg_policy policy
             JOIN pg_class class_1 ON ((class_1.oid = policy.polrelid)))
          WHERE (class_1.relrowsecurity AND (policy.polcmd = ANY (ARRAY['r'::"char", '*'::"char"])))
        UNION
         SELECT 'relation'::text,
            attribute.attrelid,
            'function'::text,
            unnamed.function
           FROM (postern.type_functions unnamed
             JOIN pg_attribute attribute ON (((attribute.atttypid = unnamed.type) AND (attribute.attnum > 0))))
        UNION
         SELECT 'function'::text,
            proc_1.oid,
            'function'::text,
            unnamed.function
           FROM (postern.type_functions unnamed
             JOIN pg_proc proc_1 ON (((unnamed.type = proc_1.prorettype) OR (unnamed.type = ANY (proc_1.proallargtypes)))))
        UNION
         SELECT expressions.kind,
            expressions.node,
            'function'::text,
            unnamed.function
           FROM ((postern.expressions
             CROSS JOIN LATERAL regexp_matches(expressions.tree, ':\w*type\w* ([1-9]\d*)'::text, 'gi'::text) found(found))
             JOIN postern.type_functions unnamed ON ((unnamed.type = (found.found[1])::oid)))
          WHERE (EXISTS ( SELECT
                   FROM postern.type_functions))
        UNION
         SELECT 'function'::text,
            (declared.function)::oid AS function,
            'relation'::text,
            (read.read)::oid AS read
           FROM (postern.cacheable_functions declared
             CROSS JOIN LATERAL unnest(declared.reads) read(read))
        UNION
         SELECT 'function'::text,
            (aggregate.aggfnoid)::oid AS aggfnoid,
            'function'::text,
            part.function
           FROM (pg_aggregate aggregate
             CROSS JOIN LATERAL ( VALUES ((aggregate.aggtransfn)::oid), ((aggregate.aggfinalfn)::oid), ((aggregate.aggcombinefn)::oid), ((aggregate.aggserialfn)::oid), ((aggregate.aggdeserialfn)::oid), ((aggregate.aggmtransfn)::oid), ((aggregate.aggminvtransfn)::oid), ((aggregate.aggmfinalfn)::oid)) part(function))
          WHERE (((aggregate.aggfnoid)::oid >= (16384)::oid) AND (part.function <> (0)::oid))
        )
 SELECT edges.kind,
    edges.node,
    edges.to_kind,
    edges.to_node,
        CASE edges.kind
            WHEN 'relation'::text THEN ((class.relkind = 'v'::"char") AND (NOT (EXISTS ( SELECT
               FROM pg_options_to_table(class.reloptions) option(option_name, option_value)
              WHERE ((option.option_name = 'security_invoker'::text) AND (option.option_value)::boolean)))))
            WHEN 'function'::text THEN (proc.prosecdef OR (EXISTS ( SELECT
               FROM unnest(proc.proconfig) setting(setting)
              WHERE (setting.setting ~ '^(role|session_authorization)='::text))))
            ELSE false
        END AS as_owner
   FROM ((edges
     LEFT JOIN pg_class class ON (((edges.kind = 'relation'::text) AND (class.oid = edges.node))))
     LEFT JOIN pg_proc proc ON (((edges.kind = 'function'::text) AND (proc.oid = edges.node))));

COMMENT ON VIEW postern.dependencies IS 'What views, policies and functions read and call directly.';

CREATE VIEW postern.timed_types AS
 WITH RECURSIVE timed(type) AS (
         SELECT (unnest(ARRAY['date'::regtype, 'time without time zone'::regtype, 'timestamp without time zone'::regtype, 'timestamp with time zone'::regtype, 'time with time zone'::regtype]))::oid AS unnest
        UNION
         SELECT type_parts.type
           FROM (timed timed_1
             JOIN postern.type_parts ON ((type_parts.part = timed_1.type)))
        )
 SELECT type
   FROM timed;

COMMENT ON VIEW postern.timed_types IS 'Types with a date or time in them, of which a text may say now.';

CREATE VIEW postern.zoned_types AS
 WITH RECURSIVE zoned(type) AS (
         SELECT ('time with time zone'::regtype)::oid AS oid
        UNION
         SELECT type_parts.type
           FROM (zoned zoned_1
             JOIN postern.type_parts ON ((type_parts.part = zoned_1.type)))
        )
 SELECT type
   FROM zoned
  WHERE (type >= (16384)::oid);

COMMENT ON VIEW postern.zoned_types IS 'Types of the database''s own with a time and zone in them: in a text the zone''s offset is that of today.';

CREATE VIEW postern.function_facts AS
 SELECT proc.oid AS node,
    COALESCE(declared.claims, '{}'::text[]) AS claims,
        CASE
            WHEN (proc.provolatile = 'v'::"char") THEN format('%s is volatile'::text, (proc.oid)::regprocedure)
            WHEN (EXISTS ( SELECT
               FROM unnest(declared.reads) read(read)
              WHERE (NOT (EXISTS ( SELECT
                       FROM pg_class
                      WHERE (pg_class.oid = (read.read)::oid)))))) THEN format('%s is declared to read a relation that is gone'::text, (proc.oid)::regprocedure)
            WHEN (EXISTS ( SELECT
               FROM postern.zoned_types zoned
              WHERE (zoned.type = ANY ((proc.proargtypes)::oid[])))) THEN format('%s has an argument in which a text is read by the offset of today'::text, (proc.oid)::regprocedure)
            WHEN (declared.definition = postern.definition_of(proc.oid)) THEN NULL::text
            WHEN (declared.function IS NOT NULL) THEN format('%s has changed since it was declared cacheable'::text, (proc.oid)::regprocedure)
            WHEN (schema.nspname ~ '^pg_temp_'::text) THEN format('%s goes with its session'::text, (proc.oid)::regprocedure)
            WHEN (EXISTS ( SELECT
               FROM pg_aggregate aggregate
              WHERE (((aggregate.aggfnoid)::oid = proc.oid) AND (proc.oid >= (16384)::oid) AND (((aggregate.agginitval IS NOT NULL) AND (aggregate.aggtranstype IN ( SELECT timed.type
                       FROM postern.timed_types timed))) OR ((aggregate.aggminitval IS NOT NULL) AND (aggregate.aggmtranstype IN ( SELECT timed.type
                       FROM postern.timed_types timed))))))) THEN format('%s begins with a text that is read as a date or time'::text, (proc.oid)::regprocedure)
            WHEN ((proc.pronamespace = ('pg_catalog'::regnamespace)::oid) AND (proc.oid < (16384)::oid) AND ((proc.provolatile = 'i'::"char") OR (postern.is_harmless((proc.proname)::text) AND (proc.oid <> ALL (ARRAY[(2047)::oid, (2037)::oid, (6336)::oid]))))) THEN NULL::text
            WHEN ((proc.pronamespace = ('pg_catalog'::regnamespace)::oid) AND (proc.oid < (16384)::oid)) THEN format('%s may read the clock or the session'::text, (proc.oid)::regprocedure)
            WHEN (proc.prosqlbody IS NOT NULL) THEN NULL::text
            WHEN ((language.lanname = ANY (ARRAY['internal'::name, 'c'::name])) AND (proc.provolatile = 'i'::"char")) THEN NULL::text
            ELSE format('what %s reads is not known: postern.declare_cacheable can tell'::text, (proc.oid)::regprocedure)
        END AS problem
   FROM (((pg_proc proc
     JOIN pg_language language ON ((language.oid = proc.prolang)))
     JOIN pg_namespace schema ON ((schema.oid = proc.pronamespace)))
     LEFT JOIN postern.cacheable_functions declared ON (((declared.function)::oid = proc.oid)));

COMMENT ON VIEW postern.function_facts IS 'Of each function the claims it is declared to read, and why its result might not follow from tables and claims.';

CREATE TABLE postern.horizon (
    is_only boolean DEFAULT true NOT NULL,
    pruned_below xid8 NOT NULL,
    prune_next xid8 NOT NULL,
    noted_at timestamp with time zone NOT NULL,
    CONSTRAINT there_is_one_horizon CHECK (is_only)
);

COMMENT ON TABLE postern.horizon IS 'Changes of transactions below pruned_below are gone. All below prune_next had ended at noted_at: the next to go.';

CREATE VIEW postern.relation_facts AS
SELECT
    NULL::oid AS node,
    NULL::text AS tag,
    NULL::interval AS staleness,
    NULL::text AS problem;

COMMENT ON VIEW postern.relation_facts IS 'Of each relation its tag, and why a change of it might not be seen.';

CREATE TABLE postern.tracked_relations (
    relation regclass NOT NULL,
    staleness interval,
    CONSTRAINT staleness_is_positive CHECK ((staleness > '00:00:00'::interval))
);

COMMENT ON TABLE postern.tracked_relations IS 'Tables whose changes are logged; of partitions and inheritance children, their root. Written by postern.track and untrack.';

CREATE TABLE postern.tracked_schemas (
    schema regnamespace NOT NULL,
    staleness interval,
    CONSTRAINT staleness_is_positive CHECK ((staleness > '00:00:00'::interval))
);

COMMENT ON TABLE postern.tracked_schemas IS 'Schemas whose new tables are tracked from the start. Written by postern.track_schema and untrack_schema.';

ALTER TABLE ONLY api.follows
    ADD CONSTRAINT follows_pkey PRIMARY KEY (follower, followed);

ALTER TABLE ONLY api.products
    ADD CONSTRAINT products_pkey PRIMARY KEY (id);

ALTER TABLE ONLY api.profiles
    ADD CONSTRAINT profiles_pkey PRIMARY KEY (id);

ALTER TABLE ONLY api.rescues
    ADD CONSTRAINT rescues_pkey PRIMARY KEY (id);

ALTER TABLE ONLY api.products
    ADD CONSTRAINT serial_number_is_unique UNIQUE (serial_number);

ALTER TABLE ONLY api.todos
    ADD CONSTRAINT todos_pkey PRIMARY KEY (id);

ALTER TABLE ONLY auth.api_keys
    ADD CONSTRAINT api_keys_pkey PRIMARY KEY (id);

ALTER TABLE ONLY auth.users
    ADD CONSTRAINT email_is_unique UNIQUE (email);

ALTER TABLE ONLY auth.api_keys
    ADD CONSTRAINT key_hash_is_unique UNIQUE (key_hash);

ALTER TABLE ONLY auth.limits
    ADD CONSTRAINT limits_pkey PRIMARY KEY (action, scope);

ALTER TABLE ONLY auth.refresh_tokens
    ADD CONSTRAINT refresh_tokens_pkey PRIMARY KEY (token_hash);

ALTER TABLE ONLY auth.sessions
    ADD CONSTRAINT sessions_pkey PRIMARY KEY (id);

ALTER TABLE ONLY auth.throttles
    ADD CONSTRAINT throttles_pkey PRIMARY KEY (action, scope, subject);

ALTER TABLE ONLY auth.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (id);

ALTER TABLE ONLY postern.cacheable_functions
    ADD CONSTRAINT cacheable_functions_pkey PRIMARY KEY (function);

ALTER TABLE ONLY postern.horizon
    ADD CONSTRAINT horizon_pkey PRIMARY KEY (is_only);

ALTER TABLE ONLY postern.tracked_relations
    ADD CONSTRAINT tracked_relations_pkey PRIMARY KEY (relation);

ALTER TABLE ONLY postern.tracked_schemas
    ADD CONSTRAINT tracked_schemas_pkey PRIMARY KEY (schema);

CREATE INDEX follows_followed ON api.follows USING btree (followed);

CREATE INDEX todos_creator ON api.todos USING btree (creator, id);

CREATE INDEX refresh_tokens_issued_at ON auth.refresh_tokens USING btree (issued_at);

CREATE UNIQUE INDEX refresh_tokens_one_unused ON auth.refresh_tokens USING btree (session_id) WHERE (used_at IS NULL);

CREATE INDEX refresh_tokens_session_id ON auth.refresh_tokens USING btree (session_id);

CREATE INDEX sessions_refreshed_at ON auth.sessions USING btree (refreshed_at);

CREATE INDEX sessions_user_id ON auth.sessions USING btree (user_id);

CREATE INDEX throttles_until ON auth.throttles USING btree (until);

CREATE INDEX changes_xid ON postern.changes USING btree (xid);

CREATE OR REPLACE VIEW postern.relation_facts AS
 WITH tracked AS MATERIALIZED (
         SELECT tracked_relations.relation,
            tracked_relations.staleness,
            min(format('%s %s'::text, (problem.relation)::regclass, problem.problem)) FILTER (WHERE (problem.problem IS NOT NULL)) AS problem
           FROM (postern.tracked_relations
             JOIN postern.trigger_problems(ARRAY( SELECT (one.relation)::oid AS relation
                   FROM postern.tracked_relations one)) problem(root, relation, event, problem) ON ((problem.root = (tracked_relations.relation)::oid)))
          GROUP BY tracked_relations.relation
        )
 SELECT class.oid AS node,
        CASE
            WHEN (class.relkind = ANY (ARRAY['r'::"char", 'p'::"char", 'm'::"char"])) THEN postern.tag_of(class.oid)
            ELSE NULL::text
        END AS tag,
    tracked.staleness,
        CASE
            WHEN (class.relnamespace = ANY (ARRAY[('pg_catalog'::regnamespace)::oid, ('information_schema'::regnamespace)::oid])) THEN format('%s belongs to the system'::text, (class.oid)::regclass)
            WHEN (class.relkind = 'f'::"char") THEN format('%s is a foreign table: changes of it are not seen'::text, (class.oid)::regclass)
            WHEN (class.relkind = 'S'::"char") THEN format('%s is a sequence'::text, (class.oid)::regclass)
            WHEN (class.relpersistence = 't'::"char") THEN format('%s goes with its session'::text, (class.oid)::regclass)
            WHEN (EXISTS ( SELECT
               FROM (pg_attribute attribute
                 JOIN postern.zoned_types zoned ON ((zoned.type = attribute.atttypid)))
              WHERE ((attribute.attrelid = class.oid) AND (attribute.attnum > 0)))) THEN format('%s has a column in which a text is read by the offset of today'::text, (class.oid)::regclass)
            WHEN (class.relkind = 'v'::"char") THEN NULL::text
            WHEN (class.relkind = 'm'::"char") THEN
            CASE
                WHEN (NOT postern.is_watched()) THEN format('%s is refreshed without being seen: there are no event triggers'::text, (class.oid)::regclass)
                ELSE NULL::text
            END
            WHEN (class.relkind <> ALL (ARRAY['r'::"char", 'p'::"char"])) THEN format('%s is not a table'::text, (class.oid)::regclass)
            WHEN (cardinality(root.roots) > 1) THEN format('%s inherits from several tables'::text, (class.oid)::regclass)
            WHEN (tracked.relation IS NULL) THEN format('%s is not tracked'::text, (class.oid)::regclass)
            ELSE tracked.problem
        END AS problem
   FROM ((pg_class class
     CROSS JOIN LATERAL ( SELECT postern.roots_of(class.oid) AS roots) root)
     LEFT JOIN tracked ON (((tracked.relation)::oid = root.roots[1])));

CREATE TRIGGER postern_delete AFTER DELETE ON api.follows REFERENCING OLD TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION postern.log_4de4ec7cbac9('api.follows');

ALTER TABLE api.follows ENABLE ALWAYS TRIGGER postern_delete;

CREATE TRIGGER postern_delete AFTER DELETE ON api.products REFERENCING OLD TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION postern.log_576e9dfb0283('api.products');

ALTER TABLE api.products ENABLE ALWAYS TRIGGER postern_delete;

CREATE TRIGGER postern_delete AFTER DELETE ON api.profiles REFERENCING OLD TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION postern.log_b81337d69ab0('api.profiles');

ALTER TABLE api.profiles ENABLE ALWAYS TRIGGER postern_delete;

CREATE TRIGGER postern_delete AFTER DELETE ON api.rescues REFERENCING OLD TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION postern.log_b81337d69ab0('api.rescues');

ALTER TABLE api.rescues ENABLE ALWAYS TRIGGER postern_delete;

CREATE TRIGGER postern_delete AFTER DELETE ON api.todos REFERENCING OLD TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION postern.log_576e9dfb0283('api.todos');

ALTER TABLE api.todos ENABLE ALWAYS TRIGGER postern_delete;

CREATE TRIGGER postern_insert AFTER INSERT ON api.follows REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION postern.log_4de4ec7cbac9('api.follows');

ALTER TABLE api.follows ENABLE ALWAYS TRIGGER postern_insert;

CREATE TRIGGER postern_insert AFTER INSERT ON api.products REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION postern.log_576e9dfb0283('api.products');

ALTER TABLE api.products ENABLE ALWAYS TRIGGER postern_insert;

CREATE TRIGGER postern_insert AFTER INSERT ON api.profiles REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION postern.log_b81337d69ab0('api.profiles');

ALTER TABLE api.profiles ENABLE ALWAYS TRIGGER postern_insert;

CREATE TRIGGER postern_insert AFTER INSERT ON api.rescues REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION postern.log_b81337d69ab0('api.rescues');

ALTER TABLE api.rescues ENABLE ALWAYS TRIGGER postern_insert;

CREATE TRIGGER postern_insert AFTER INSERT ON api.todos REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION postern.log_576e9dfb0283('api.todos');

ALTER TABLE api.todos ENABLE ALWAYS TRIGGER postern_insert;

CREATE TRIGGER postern_truncate AFTER TRUNCATE ON api.follows FOR EACH STATEMENT EXECUTE FUNCTION postern.log_truncate('api.follows');

ALTER TABLE api.follows ENABLE ALWAYS TRIGGER postern_truncate;

CREATE TRIGGER postern_truncate AFTER TRUNCATE ON api.products FOR EACH STATEMENT EXECUTE FUNCTION postern.log_truncate('api.products');

ALTER TABLE api.products ENABLE ALWAYS TRIGGER postern_truncate;

CREATE TRIGGER postern_truncate AFTER TRUNCATE ON api.profiles FOR EACH STATEMENT EXECUTE FUNCTION postern.log_truncate('api.profiles');

ALTER TABLE api.profiles ENABLE ALWAYS TRIGGER postern_truncate;

CREATE TRIGGER postern_truncate AFTER TRUNCATE ON api.rescues FOR EACH STATEMENT EXECUTE FUNCTION postern.log_truncate('api.rescues');

ALTER TABLE api.rescues ENABLE ALWAYS TRIGGER postern_truncate;

CREATE TRIGGER postern_truncate AFTER TRUNCATE ON api.todos FOR EACH STATEMENT EXECUTE FUNCTION postern.log_truncate('api.todos');

ALTER TABLE api.todos ENABLE ALWAYS TRIGGER postern_truncate;

CREATE TRIGGER postern_update AFTER UPDATE ON api.follows REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION postern.log_4de4ec7cbac9_update('api.follows');

ALTER TABLE api.follows ENABLE ALWAYS TRIGGER postern_update;

CREATE TRIGGER postern_update AFTER UPDATE ON api.products REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION postern.log_576e9dfb0283_update('api.products');

ALTER TABLE api.products ENABLE ALWAYS TRIGGER postern_update;

CREATE TRIGGER postern_update AFTER UPDATE ON api.profiles REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION postern.log_b81337d69ab0_update('api.profiles');

ALTER TABLE api.profiles ENABLE ALWAYS TRIGGER postern_update;

CREATE TRIGGER postern_update AFTER UPDATE ON api.rescues REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION postern.log_b81337d69ab0_update('api.rescues');

ALTER TABLE api.rescues ENABLE ALWAYS TRIGGER postern_update;

CREATE TRIGGER postern_update AFTER UPDATE ON api.todos REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION postern.log_576e9dfb0283_update('api.todos');

ALTER TABLE api.todos ENABLE ALWAYS TRIGGER postern_update;

CREATE TRIGGER touch_updated_at BEFORE UPDATE ON api.products FOR EACH ROW EXECUTE FUNCTION postern.touch_updated_at();

CREATE TRIGGER touch_updated_at BEFORE UPDATE ON api.rescues FOR EACH ROW EXECUTE FUNCTION postern.touch_updated_at();

CREATE TRIGGER touch_updated_at BEFORE UPDATE ON api.todos FOR EACH ROW EXECUTE FUNCTION postern.touch_updated_at();

CREATE TRIGGER keep_profile AFTER INSERT OR UPDATE OF fullname ON auth.users FOR EACH ROW EXECUTE FUNCTION auth.keep_profile();

CREATE TRIGGER touch_updated_at BEFORE UPDATE ON auth.users FOR EACH ROW WHEN (((((old.email IS DISTINCT FROM new.email) OR (old.password_hash IS DISTINCT FROM new.password_hash)) OR (old.fullname IS DISTINCT FROM new.fullname)) OR (old.user_metadata IS DISTINCT FROM new.user_metadata))) EXECUTE FUNCTION postern.touch_updated_at();

ALTER TABLE ONLY api.follows
    ADD CONSTRAINT follows_followed_fkey FOREIGN KEY (followed) REFERENCES api.profiles(id) ON DELETE CASCADE;

ALTER TABLE ONLY api.follows
    ADD CONSTRAINT follows_follower_fkey FOREIGN KEY (follower) REFERENCES api.profiles(id) ON DELETE CASCADE;

ALTER TABLE ONLY api.profiles
    ADD CONSTRAINT profiles_id_fkey FOREIGN KEY (id) REFERENCES auth.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY api.todos
    ADD CONSTRAINT todos_creator_fkey FOREIGN KEY (creator) REFERENCES auth.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY auth.refresh_tokens
    ADD CONSTRAINT refresh_tokens_session_id_fkey FOREIGN KEY (session_id) REFERENCES auth.sessions(id) ON DELETE CASCADE;

ALTER TABLE ONLY auth.sessions
    ADD CONSTRAINT sessions_user_id_fkey FOREIGN KEY (user_id) REFERENCES auth.users(id) ON DELETE CASCADE;

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

GRANT USAGE ON SCHEMA auth TO anon;
GRANT USAGE ON SCHEMA auth TO authenticated;
GRANT USAGE ON SCHEMA auth TO service;

GRANT USAGE ON SCHEMA postern TO postern;

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

REVOKE ALL ON FUNCTION auth.account_subject(email text) FROM PUBLIC;

REVOKE ALL ON FUNCTION auth.address_subject(address text) FROM PUBLIC;

REVOKE ALL ON FUNCTION auth.begin_session(account auth.users) FROM PUBLIC;

REVOKE ALL ON FUNCTION auth.count_attempt(action text, scope text, subject text) FROM PUBLIC;

REVOKE ALL ON FUNCTION auth.end_sessions(session_ids uuid[], reason text) FROM PUBLIC;

REVOKE ALL ON FUNCTION auth.forgive(action text, scope text, subject text) FROM PUBLIC;

REVOKE ALL ON FUNCTION auth.has_session(user_id uuid, session_id uuid) FROM PUBLIC;

REVOKE ALL ON FUNCTION auth.hash_password(password text, bcrypt_cost integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION auth.is_password(password text) FROM PUBLIC;

REVOKE ALL ON FUNCTION auth.issue_refresh_token(session_id uuid, predecessor bytea) FROM PUBLIC;

REVOKE ALL ON FUNCTION auth.keep_profile() FROM PUBLIC;

REVOKE ALL ON FUNCTION auth.new_secret() FROM PUBLIC;

REVOKE ALL ON FUNCTION auth.normalise_email(email text) FROM PUBLIC;

REVOKE ALL ON FUNCTION auth.prune() FROM PUBLIC;

REVOKE ALL ON FUNCTION auth.refusal(outcome text, seconds integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION auth.seconds_to_wait(action text, scope text, subject text) FROM PUBLIC;

REVOKE ALL ON FUNCTION auth.session_json(account auth.users, session_id uuid, refresh_token text) FROM PUBLIC;

REVOKE ALL ON FUNCTION auth.session_lifetime() FROM PUBLIC;

REVOKE ALL ON FUNCTION auth.sha256(secret text) FROM PUBLIC;

REVOKE ALL ON FUNCTION auth.user_id() FROM PUBLIC;
GRANT ALL ON FUNCTION auth.user_id() TO anon;
GRANT ALL ON FUNCTION auth.user_id() TO authenticated;
GRANT ALL ON FUNCTION auth.user_id() TO service;

REVOKE ALL ON FUNCTION auth.user_json(account auth.users) FROM PUBLIC;

REVOKE ALL ON FUNCTION auth.verify_password(password text, password_hash text, bcrypt_cost integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION postern.catalog(schemas text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION postern.catalog(schemas text[]) TO postern;

REVOKE ALL ON FUNCTION postern.catalog_version() FROM PUBLIC;

REVOKE ALL ON FUNCTION postern.changes_since(cursor text) FROM PUBLIC;
GRANT ALL ON FUNCTION postern.changes_since(cursor text) TO postern;

REVOKE ALL ON FUNCTION postern.claims_in(expression text) FROM PUBLIC;

REVOKE ALL ON FUNCTION postern.create_api_key(name text, kind text, role name) FROM PUBLIC;

REVOKE ALL ON FUNCTION postern.declare_cacheable(function regprocedure, reads regclass[], claims text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION postern.definition_of(function oid) FROM PUBLIC;

REVOKE ALL ON FUNCTION postern.drop_triggers(root oid) FROM PUBLIC;

REVOKE ALL ON FUNCTION postern.epoch() FROM PUBLIC;

REVOKE ALL ON FUNCTION postern.family_of(root oid) FROM PUBLIC;

REVOKE ALL ON FUNCTION postern.find_api_key(key_hash text) FROM PUBLIC;
GRANT ALL ON FUNCTION postern.find_api_key(key_hash text) TO postern;

REVOKE ALL ON FUNCTION postern.flush() FROM PUBLIC;

REVOKE ALL ON FUNCTION postern.get_user(user_id uuid, session_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION postern.get_user(user_id uuid, session_id uuid) TO postern;

REVOKE ALL ON FUNCTION postern.is_harmless(name text) FROM PUBLIC;

REVOKE ALL ON FUNCTION postern.log_ddl() FROM PUBLIC;

REVOKE ALL ON FUNCTION postern.log_drop() FROM PUBLIC;

REVOKE ALL ON FUNCTION postern.log_start() FROM PUBLIC;

REVOKE ALL ON FUNCTION postern.is_watched() FROM PUBLIC;

REVOKE ALL ON FUNCTION postern.key_expression(root oid) FROM PUBLIC;

REVOKE ALL ON FUNCTION postern.log_4de4ec7cbac9() FROM PUBLIC;

REVOKE ALL ON FUNCTION postern.log_4de4ec7cbac9_update() FROM PUBLIC;

REVOKE ALL ON FUNCTION postern.log_576e9dfb0283() FROM PUBLIC;

REVOKE ALL ON FUNCTION postern.log_576e9dfb0283_update() FROM PUBLIC;

REVOKE ALL ON FUNCTION postern.log_b81337d69ab0() FROM PUBLIC;

REVOKE ALL ON FUNCTION postern.log_b81337d69ab0_update() FROM PUBLIC;

REVOKE ALL ON FUNCTION postern.log_truncate() FROM PUBLIC;

REVOKE ALL ON FUNCTION postern.logger_of(key_expression text, event text) FROM PUBLIC;

REVOKE ALL ON FUNCTION postern.make_loggers(root regclass) FROM PUBLIC;

REVOKE ALL ON FUNCTION postern.make_triggers(root regclass, enable boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION postern.problems_in(tree text, expression text, timed_types oid[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION postern.prune(retention interval, batch integer) FROM PUBLIC;
GRANT ALL ON FUNCTION postern.prune(retention interval, batch integer) TO postern;

REVOKE ALL ON FUNCTION postern.quoted(value text) FROM PUBLIC;

REVOKE ALL ON FUNCTION postern.refresh_session(refresh_token text, address text) FROM PUBLIC;
GRANT ALL ON FUNCTION postern.refresh_session(refresh_token text, address text) TO postern;

REVOKE ALL ON FUNCTION postern.reload_after_ddl() FROM PUBLIC;

REVOKE ALL ON FUNCTION postern.reload_after_drop() FROM PUBLIC;

REVOKE ALL ON FUNCTION postern.revoke_api_key(id bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION postern.roots_of(relation oid) FROM PUBLIC;

REVOKE ALL ON FUNCTION postern.row_key_of(root oid) FROM PUBLIC;

REVOKE ALL ON FUNCTION postern.setting_readers() FROM PUBLIC;

REVOKE ALL ON FUNCTION postern.sign_in(email text, password text, bcrypt_cost integer, address text) FROM PUBLIC;
GRANT ALL ON FUNCTION postern.sign_in(email text, password text, bcrypt_cost integer, address text) TO postern;

REVOKE ALL ON FUNCTION postern.sign_out(user_id uuid, session_id uuid, scope text) FROM PUBLIC;
GRANT ALL ON FUNCTION postern.sign_out(user_id uuid, session_id uuid, scope text) TO postern;

REVOKE ALL ON FUNCTION postern.sign_up(email text, password text, fullname text, user_metadata jsonb, bcrypt_cost integer, address text) FROM PUBLIC;
GRANT ALL ON FUNCTION postern.sign_up(email text, password text, fullname text, user_metadata jsonb, bcrypt_cost integer, address text) TO postern;

REVOKE ALL ON FUNCTION postern.status() FROM PUBLIC;
GRANT ALL ON FUNCTION postern.status() TO postern;

REVOKE ALL ON FUNCTION postern.tag_of(relation oid) FROM PUBLIC;

REVOKE ALL ON FUNCTION postern.touch_updated_at() FROM PUBLIC;

REVOKE ALL ON FUNCTION postern.track(relation regclass, staleness interval) FROM PUBLIC;

REVOKE ALL ON FUNCTION postern.track_schema(schema regnamespace, staleness interval) FROM PUBLIC;

REVOKE ALL ON FUNCTION postern.trackable_root(relation regclass) FROM PUBLIC;

REVOKE ALL ON FUNCTION postern.trigger_problems(roots oid[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION postern.undeclare_cacheable(function regprocedure) FROM PUBLIC;

REVOKE ALL ON FUNCTION postern.untrack(relation regclass) FROM PUBLIC;

REVOKE ALL ON FUNCTION postern.untrack_schema(schema regnamespace) FROM PUBLIC;

REVOKE ALL ON FUNCTION postern.update_user(user_id uuid, session_id uuid, changes jsonb, bcrypt_cost integer) FROM PUBLIC;
GRANT ALL ON FUNCTION postern.update_user(user_id uuid, session_id uuid, changes jsonb, bcrypt_cost integer) TO postern;

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

CREATE EVENT TRIGGER postern_log_ddl ON ddl_command_end
   EXECUTE FUNCTION postern.log_ddl();

ALTER EVENT TRIGGER postern_log_ddl ENABLE ALWAYS;

CREATE EVENT TRIGGER postern_log_drop ON sql_drop
   EXECUTE FUNCTION postern.log_drop();

ALTER EVENT TRIGGER postern_log_drop ENABLE ALWAYS;

CREATE EVENT TRIGGER postern_log_start ON ddl_command_start
         WHEN TAG IN ('ALTER TABLE')
   EXECUTE FUNCTION postern.log_start();

ALTER EVENT TRIGGER postern_log_start ENABLE ALWAYS;

CREATE EVENT TRIGGER postern_reload_after_ddl ON ddl_command_end
         WHEN TAG IN ('CREATE SCHEMA', 'ALTER SCHEMA', 'CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO', 'ALTER TABLE', 'CREATE FOREIGN TABLE', 'ALTER FOREIGN TABLE', 'CREATE VIEW', 'ALTER VIEW', 'CREATE MATERIALIZED VIEW', 'ALTER MATERIALIZED VIEW', 'CREATE FUNCTION', 'ALTER FUNCTION', 'CREATE TYPE', 'ALTER TYPE', 'CREATE DOMAIN', 'ALTER DOMAIN', 'CREATE CAST', 'CREATE RULE', 'COMMENT')
   EXECUTE FUNCTION postern.reload_after_ddl();

CREATE EVENT TRIGGER postern_reload_after_drop ON sql_drop
   EXECUTE FUNCTION postern.reload_after_drop();
