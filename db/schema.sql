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
    SET search_path TO ''
    AS $$
  update api.products as product
  set quantity = product.quantity + add_quantity.quantity
  where product.id = add_quantity.product_id
  returning product.*
$$;

COMMENT ON FUNCTION api.add_quantity(product_id bigint, quantity integer) IS 'Adds to the quantity of a product, or takes from it, and returns the product.';

CREATE FUNCTION auth.account_subject(email text) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  select encode(auth.sha256(coalesce(auth.normalise_email(email), email, '')), 'hex')
$$;

COMMENT ON FUNCTION auth.account_subject(email text) IS 'The subject under which attempts for an e-mail address are counted, whether it has an account or not.';

CREATE FUNCTION auth.address_subject(address text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO ''
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
    SET search_path TO ''
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
    SET search_path TO ''
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
    SET search_path TO ''
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
    SET search_path TO ''
    AS $$
  delete from auth.throttles as throttle
  where throttle.action = forgive.action and throttle.scope = forgive.scope and throttle.subject = forgive.subject
$$;

COMMENT ON FUNCTION auth.forgive(action text, scope text, subject text) IS 'Forgets the attempts.';

CREATE FUNCTION auth.has_session(user_id uuid, session_id uuid) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path TO ''
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
    SET search_path TO ''
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
    SET search_path TO ''
    AS $$
  -- bcrypt reads 72 bytes: of a longer password the rest would count for nothing.
  select coalesce(length(password) >= 6 and octet_length(password) <= 72, false)
$$;

COMMENT ON FUNCTION auth.is_password(password text) IS 'Whether this can be a password.';

CREATE FUNCTION auth.issue_refresh_token(session_id uuid, predecessor bytea DEFAULT NULL::bytea) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO ''
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
    SET search_path TO ''
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
    SET search_path TO ''
    AS $$
  select translate(encode(extensions.gen_random_bytes(32), 'base64'), '+/=', '-_')
$$;

COMMENT ON FUNCTION auth.new_secret() IS 'Random, of 43 characters.';

CREATE FUNCTION auth.normalise_email(email text) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $_$
  select normalised
  from (select lower(btrim(email, E' \t\r\n') collate "C")) as candidate (normalised)
  where length(normalised) <= 300
    and normalised ~ '^[^@[:space:][:cntrl:]]+@[^@[:space:][:cntrl:]]+$'
$_$;

COMMENT ON FUNCTION auth.normalise_email(email text) IS 'The form in which an e-mail address is stored and compared; null when it is none.';

CREATE FUNCTION auth.prune() RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
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
    SET search_path TO ''
    AS $$
  select jsonb_strip_nulls(jsonb_build_object('outcome', outcome, 'retryAfter', seconds))
$$;

COMMENT ON FUNCTION auth.refusal(outcome text, seconds integer) IS 'The answer to an attempt that failed. It is returned, not raised: what was counted has to be committed.';

CREATE FUNCTION auth.seconds_to_wait(action text, scope text, subject text) RETURNS integer
    LANGUAGE sql STABLE
    SET search_path TO ''
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
    SET search_path TO ''
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
    SET search_path TO ''
    AS $$
  select '30 days'::interval
$$;

COMMENT ON FUNCTION auth.session_lifetime() IS 'How long a session lives without a refresh, and how long what is over is kept.';

CREATE FUNCTION auth.sha256(secret text) RETURNS bytea
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  select sha256(convert_to(secret, 'UTF8'))
$$;

COMMENT ON FUNCTION auth.sha256(secret text) IS 'All that is stored of a token or key. They are random, so they need no salt and no slow hash.';

CREATE FUNCTION auth.user_id() RETURNS uuid
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $_$
  select case when claims.sub ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then claims.sub::uuid end
  -- Empty, not null, after a transaction that set it.
  from (select nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub') as claims (sub)
$_$;

COMMENT ON FUNCTION auth.user_id() IS 'The user who makes this request, or null.';

CREATE FUNCTION auth.user_json(account auth.users) RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path TO ''
    SET "TimeZone" TO 'UTC'
    AS $$
  select to_jsonb(account) - 'password_hash'
$$;

COMMENT ON FUNCTION auth.user_json(account auth.users) IS 'A user as the gateway gets to see it: without the hash of the password.';

CREATE FUNCTION auth.verify_password(password text, password_hash text, bcrypt_cost integer) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO ''
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

CREATE FUNCTION postern.create_api_key(name text, kind text, role name) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO ''
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

CREATE FUNCTION postern.find_api_key(key_hash text) RETURNS jsonb
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
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

CREATE FUNCTION postern.get_user(user_id uuid, session_id uuid) RETURNS jsonb
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
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

CREATE FUNCTION postern.refresh_session(refresh_token text, address text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
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

CREATE FUNCTION postern.revoke_api_key(id bigint) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
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

CREATE FUNCTION postern.sign_in(email text, password text, bcrypt_cost integer, address text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
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
    SET search_path TO ''
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
    SET search_path TO ''
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

CREATE FUNCTION postern.update_user(user_id uuid, session_id uuid, changes jsonb, bcrypt_cost integer) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
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

CREATE INDEX follows_followed ON api.follows USING btree (followed);

CREATE INDEX todos_creator ON api.todos USING btree (creator, id);

CREATE INDEX refresh_tokens_issued_at ON auth.refresh_tokens USING btree (issued_at);

CREATE UNIQUE INDEX refresh_tokens_one_unused ON auth.refresh_tokens USING btree (session_id) WHERE (used_at IS NULL);

CREATE INDEX refresh_tokens_session_id ON auth.refresh_tokens USING btree (session_id);

CREATE INDEX sessions_refreshed_at ON auth.sessions USING btree (refreshed_at);

CREATE INDEX sessions_user_id ON auth.sessions USING btree (user_id);

CREATE INDEX throttles_until ON auth.throttles USING btree (until);

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

REVOKE ALL ON FUNCTION postern.create_api_key(name text, kind text, role name) FROM PUBLIC;

REVOKE ALL ON FUNCTION postern.find_api_key(key_hash text) FROM PUBLIC;
GRANT ALL ON FUNCTION postern.find_api_key(key_hash text) TO postern;

REVOKE ALL ON FUNCTION postern.get_user(user_id uuid, session_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION postern.get_user(user_id uuid, session_id uuid) TO postern;

REVOKE ALL ON FUNCTION postern.refresh_session(refresh_token text, address text) FROM PUBLIC;
GRANT ALL ON FUNCTION postern.refresh_session(refresh_token text, address text) TO postern;

REVOKE ALL ON FUNCTION postern.reload_after_ddl() FROM PUBLIC;

REVOKE ALL ON FUNCTION postern.reload_after_drop() FROM PUBLIC;

REVOKE ALL ON FUNCTION postern.revoke_api_key(id bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION postern.sign_in(email text, password text, bcrypt_cost integer, address text) FROM PUBLIC;
GRANT ALL ON FUNCTION postern.sign_in(email text, password text, bcrypt_cost integer, address text) TO postern;

REVOKE ALL ON FUNCTION postern.sign_out(user_id uuid, session_id uuid, scope text) FROM PUBLIC;
GRANT ALL ON FUNCTION postern.sign_out(user_id uuid, session_id uuid, scope text) TO postern;

REVOKE ALL ON FUNCTION postern.sign_up(email text, password text, fullname text, user_metadata jsonb, bcrypt_cost integer, address text) FROM PUBLIC;
GRANT ALL ON FUNCTION postern.sign_up(email text, password text, fullname text, user_metadata jsonb, bcrypt_cost integer, address text) TO postern;

REVOKE ALL ON FUNCTION postern.touch_updated_at() FROM PUBLIC;

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

CREATE EVENT TRIGGER postern_reload_after_ddl ON ddl_command_end
         WHEN TAG IN ('CREATE SCHEMA', 'ALTER SCHEMA', 'CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO', 'ALTER TABLE', 'CREATE FOREIGN TABLE', 'ALTER FOREIGN TABLE', 'CREATE VIEW', 'ALTER VIEW', 'CREATE MATERIALIZED VIEW', 'ALTER MATERIALIZED VIEW', 'CREATE FUNCTION', 'ALTER FUNCTION', 'CREATE TYPE', 'ALTER TYPE', 'CREATE DOMAIN', 'ALTER DOMAIN', 'CREATE CAST', 'CREATE RULE', 'COMMENT')
   EXECUTE FUNCTION postern.reload_after_ddl();

CREATE EVENT TRIGGER postern_reload_after_drop ON sql_drop
   EXECUTE FUNCTION postern.reload_after_drop();
