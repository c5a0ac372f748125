-- Idempotency keys: PostgREST's db-pre-request claims the key of a write in the write's own transaction, before the write. So a key is
-- claimed if and only if its write committed.

-- Security definer: callers may not read or write the claims. It takes no argument, so that a caller can only claim keys of their own.
create or replace function postern.claim_key()
returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  claims jsonb := coalesce(nullif(current_setting('request.jwt.claims', true), ''), '{}')::jsonb;
  -- the claim, and the hashes of key and request
  sent text[] := string_to_array(current_setting('request.headers')::json ->> 'postern-claim', ' ');
  caller text;
  own_hash bytea;
  known postern.idempotency_claims;
begin
  if sent is null then
    return;
  elsif sent = '{probe}' then
    perform set_config('postern.claims_keys', 'on', true);
    return;
  elsif cardinality(sent) <> 3 then
    raise sqlstate 'PT400' using message = 'Postern-Claim is malformed';
  end if;
  -- A caller with a subject stays the same when their token is refreshed.
  caller := jsonb_build_array(
    current_setting('role'),
    case when claims ->> 'sub' <> '' then jsonb_build_array(claims -> 'iss', claims -> 'sub') else claims - '{aud,exp,iat,jti,nbf}'::text[] end
  )::text;
  own_hash := sha256(convert_to(concat_ws(' ', sent[2], caller), 'UTF8'));

  -- Held until the transaction ends: a repeat is told to wait, and does not wait on a connection of PostgREST's.
  if not pg_try_advisory_xact_lock(1886352501, ('x' || left(encode(own_hash, 'hex'), 8))::bit(32)::integer) then
    raise sqlstate 'PT409' using message = 'idempotency_in_flight';
  end if;
  insert into postern.idempotency_claims as claimed (key_hash, request_hash, claim)
  values (own_hash, sent[3], sent[1]::uuid)
  on conflict on constraint idempotency_claims_pkey do update
  set request_hash = excluded.request_hash, claim = excluded.claim, claimed_at = excluded.claimed_at, answer = null
  where claimed.claimed_at < clock_timestamp() - postern.key_lifetime();
  if found then
    return;
  end if;
  select * into known from postern.idempotency_claims as claimed where claimed.key_hash = own_hash;
  -- Its own claim: the function was called twice.
  if known.claim is distinct from sent[1]::uuid and known.request_hash <> sent[3] then
    raise sqlstate 'PT422' using message = 'idempotency_key_reused';
  elsif known.claim is distinct from sent[1]::uuid then
    raise sqlstate 'PT409' using message = 'idempotency_done', detail = known.claim;
  end if;
end
$$;
comment on function postern.claim_key() is 'Claims the key of this request for its caller, or says that it is claimed.';

create or replace function postern.key_lifetime()
returns interval
language sql immutable
return interval '24 hours';
comment on function postern.key_lifetime() is 'How long an idempotency key is remembered.';

create or replace function postern.prune_claims(batch integer)
returns void
language sql volatile
set search_path = pg_catalog, pg_temp
as $$
  delete from postern.idempotency_claims
  where idempotency_claims.ctid = any (array(
    select old.ctid
    from postern.idempotency_claims as old
    -- An hour later than it expires, so that no transaction finds its key neither expired nor there.
    where old.claimed_at < now() - postern.key_lifetime() - interval '1 hour'
    order by old.claimed_at
    limit batch
    -- A claim that is being replaced has to stay.
    for update skip locked
  ))
$$;
comment on function postern.prune_claims(integer) is 'Removes at most batch expired keys. Called by postern.prune.';
