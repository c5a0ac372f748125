-- API keys: opaque texts for programs. Of each there is only the hash.

-- migrate:up

create table auth.api_keys (
  id         bigint generated always as identity primary key,
  name       text not null constraint name_has_1_to_100_characters check (length(name) between 1 and 100),
  key_hash   bytea not null constraint key_hash_is_unique unique,
  hint       text not null,
  kind       text not null constraint kind_is_publishable_or_secret check (kind in ('publishable', 'secret')),
  role       name not null,
  created_at timestamptz not null default now(),
  revoked_at timestamptz,
  -- It is in every browser.
  constraint publishable_is_anonymous check (kind = 'secret' or role = 'anon')
);
comment on table auth.api_keys is 'A key of a program: publishable ones stand for nobody, secret ones for a role.';

create view postern.api_keys with (security_invoker = true) as
select id, name, hint, kind, role, created_at, revoked_at
from auth.api_keys;
comment on view postern.api_keys is 'For the operator: the API keys, without what could find or forge one.';

create function postern.create_api_key(name text, kind text, role name)
returns text
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
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
comment on function postern.create_api_key(text, text, name) is 'For the operator: makes a key and returns it, the only time that it is seen in clear.';

create function postern.revoke_api_key(id bigint)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  update auth.api_keys as key
  set revoked_at = coalesce(key.revoked_at, now())
  where key.id = revoke_api_key.id;
  if not found then
    raise sqlstate '22023' using message = format('there is no key %s', id), hint = 'The keys are in postern.api_keys.';
  end if;
end
$$;
comment on function postern.revoke_api_key(bigint) is 'For the operator: from now on the database does not know the key.';

-- Security definer: the role postern may not read the keys, it may only ask what one is, by its hash.
create function postern.find_api_key(key_hash text)
returns jsonb
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(
    (
      select jsonb_build_object('outcome', 'ok', 'kind', key.kind, 'role', key.role)
      from auth.api_keys as key
      where key.revoked_at is null
        and key.key_hash = case when find_api_key.key_hash ~ '^[0-9a-f]{64}$' then decode(find_api_key.key_hash, 'hex') end
    ),
    auth.refusal('unknown')
  )
$$;
comment on function postern.find_api_key(text) is 'Kind and role of the key with this SHA-256, in lower-case hex.';

-- create_api_key, revoke_api_key and the view are granted to nobody: they are the operator's.
grant execute on function postern.find_api_key(text) to postern;

-- migrate:down
drop function postern.find_api_key(text);
drop function postern.revoke_api_key(bigint);
drop function postern.create_api_key(text, text, name);
drop view postern.api_keys;
drop table auth.api_keys;
