-- api_keys: made and revoked by the operator, found by the gateway

create or replace function postern.create_api_key(name text, kind text, role name default null)
returns text
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  -- Two version 4 UUIDs have 244 random bits.
  secret constant bytea := sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));
  -- base64url, without padding
  key constant text := format('postern_%s_%s', kind, translate(encode(secret, 'base64'), '+/=', '-_'));
begin
  -- A secret key stands for a role that PostgREST can become, and that cannot become the gateway's own. The role that PostgREST
  -- logs in as is known by its membership in postern. Before PostgreSQL 16 each member may set its role.
  if role is not null and not exists (
    select
    from pg_auth_members as gateway
    join pg_auth_members as callers using (member)
    join pg_roles as granted on granted.oid = callers.roleid
    where gateway.roleid = 'postern'::regrole
      and granted.rolname = create_api_key.role
      and coalesce((to_jsonb(gateway) ->> 'set_option')::boolean, true)
      and coalesce((to_jsonb(callers) ->> 'set_option')::boolean, true)
      and not (granted.rolsuper or granted.rolbypassrls or pg_has_role(granted.oid, 'postern', 'member'))
  ) then
    raise sqlstate '22023' using
      message = format('%I is not a role for a key', role),
      hint = 'A role that is granted to the role that PostgREST logs in as, as postern is, and that does not bypass row level security.';
  end if;
  insert into postern.api_keys (name, key_hash, hint, kind, role)
  values (
    create_api_key.name,
    sha256(convert_to(key, 'UTF8')),
    left(key, length(format('postern_%s_', kind)) + 4),
    create_api_key.kind,
    create_api_key.role
  );
  return key;
end
$$;
comment on function postern.create_api_key(text, text, name) is 'For the operator: makes a key and returns it, the only time that it is seen in clear.';

create or replace function postern.revoke_api_key(id bigint)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  update postern.api_keys as key
  set revoked_at = coalesce(key.revoked_at, now())
  where key.id = revoke_api_key.id;
  if not found then
    raise sqlstate '22023' using message = format('there is no key %s', id), hint = 'The keys are in postern.api_keys.';
  end if;
end
$$;
comment on function postern.revoke_api_key(bigint) is 'For the operator: from now on the database does not know the key.';

-- Security definer: the role postern may not read the keys. It may ask what one is, by its hash. A Worker of 0.1.0 refuses a key
-- without a role. Every Worker gives the caller of a publishable key the role of its setting ANON_ROLE.
create or replace function postern.find_api_key(key_hash text)
returns jsonb
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(
    (
      select jsonb_build_object('outcome', 'ok', 'kind', key.kind, 'role', coalesce(key.role, 'anon'))
      from postern.api_keys as key
      where key.revoked_at is null
        and key.key_hash = case when find_api_key.key_hash ~ '^[0-9a-f]{64}$' then decode(find_api_key.key_hash, 'hex') end
    ),
    '{"outcome": "unknown"}'
  )
$$;
comment on function postern.find_api_key(text) is 'Kind and role of the key with this SHA-256, in lower-case hex.';

-- create_api_key and revoke_api_key are granted to no role: they are the operator's.
revoke all on function
  postern.create_api_key(text, text, name),
  postern.revoke_api_key(bigint),
  postern.find_api_key(text)
  from public;
grant usage on schema postern to postern;
grant execute on function postern.find_api_key(text) to postern;
