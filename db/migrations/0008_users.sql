-- users: who has an account. Never read by callers: they have api.profiles and api.users.

-- migrate:up

create table auth.users (
  id              uuid primary key default gen_random_uuid(),
  email           text not null
    constraint email_is_unique unique
    constraint email_is_normalised check (email = lower(email collate "C") and length(email) between 1 and 300),
  password_hash   text not null
    constraint password_hash_is_bcrypt check (password_hash ~ '^\$2a\$\d\d\$[./A-Za-z0-9]{53}$'),
  fullname        text not null
    constraint fullname_has_1_to_300_characters check (length(fullname) between 1 and 300),
  user_metadata   jsonb not null default '{}'
    constraint user_metadata_is_a_small_object check (jsonb_typeof(user_metadata) = 'object' and octet_length(user_metadata::text) <= 4096),
  created_at      timestamptz not null default now(),
  updated_at      timestamptz not null default now(),
  last_sign_in_at timestamptz
);
comment on table auth.users is 'An account. Of the password there is only the bcrypt hash.';

create trigger touch_updated_at
  before update on auth.users
  for each row
  -- Signing in is not a change.
  when ((old.email, old.password_hash, old.fullname, old.user_metadata) is distinct from (new.email, new.password_hash, new.fullname, new.user_metadata))
  execute function postern.touch_updated_at();

-- Never an error: the sub of another issuer's token need not be a uuid. PostgreSQL 15 cannot ask whether a cast would succeed.
create function auth.user_id()
returns uuid
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select case when claims.sub ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then claims.sub::uuid end
  -- Empty, not null, after a transaction that set it.
  from (select nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub') as claims (sub)
$$;
comment on function auth.user_id() is 'The user who makes this request, or null.';

create function auth.user_json(account auth.users)
returns jsonb
language sql stable
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
  select to_jsonb(account) - 'password_hash'
$$;
comment on function auth.user_json(auth.users) is 'A user as the gateway gets to see it: without the hash of the password.';

-- Only ASCII letters fold, so that the answer does not depend on the locale of the database.
create function auth.normalise_email(email text)
returns text
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
  select normalised
  from (select lower(btrim(email, E' \t\r\n') collate "C")) as candidate (normalised)
  where length(normalised) <= 300
    and normalised ~ '^[^@[:space:][:cntrl:]]+@[^@[:space:][:cntrl:]]+$'
$$;
comment on function auth.normalise_email(text) is 'The form in which an e-mail address is stored and compared; null when it is none.';

create function auth.is_password(password text)
returns boolean
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
  -- bcrypt reads 72 bytes: of a longer password the rest would count for nothing.
  select coalesce(length(password) >= 6 and octet_length(password) <= 72, false)
$$;
comment on function auth.is_password(text) is 'Whether this can be a password.';

create function auth.hash_password(password text, bcrypt_cost integer)
returns text
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  -- Each step doubles the work: a slip in a setting must not occupy the database for hours.
  if bcrypt_cost is null or bcrypt_cost not between 4 and 16 then
    raise sqlstate '22023' using message = 'the bcrypt cost is not between 4 and 16';
  end if;
  return extensions.crypt(password, extensions.gen_salt('bf', bcrypt_cost));
end
$$;
comment on function auth.hash_password(text, integer) is 'A new bcrypt hash.';

-- Takes as long for an account that does not exist, or whose hash is of a lower cost, as for one of the cost that is asked for.
create function auth.verify_password(password text, password_hash text, bcrypt_cost integer)
returns boolean
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
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
$$;
comment on function auth.verify_password(text, text, integer) is 'Whether the password is that of the hash. No hash is the hash of no password.';

-- auth itself lets nobody see anything but auth.user_id(), which policies ask.
grant usage on schema auth to anon, authenticated, service;
grant execute on function auth.user_id() to anon, authenticated, service;

-- migrate:down
revoke usage on schema auth from anon, authenticated, service;
drop function auth.verify_password(text, text, integer);
drop function auth.hash_password(text, integer);
drop function auth.is_password(text);
drop function auth.normalise_email(text);
drop function auth.user_json(auth.users);
drop function auth.user_id();
drop table auth.users;
