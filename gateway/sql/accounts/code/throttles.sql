-- throttles: attempts are counted, and those above a limit refused

create or replace function auth.sha256(secret text)
returns bytea
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
  select sha256(convert_to(secret, 'UTF8'))
$$;
comment on function auth.sha256(text) is 'What is stored of a refresh token. Tokens are random, so they need no salt and no slow hash.';

-- A hash, because people sometimes type their password here.
create or replace function auth.account_subject(email text)
returns text
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
  select encode(auth.sha256(coalesce(auth.normalise_email(email), email, '')), 'hex')
$$;
comment on function auth.account_subject(text) is 'The subject under which attempts for an e-mail address are counted, whether it has an account or not.';

-- An IPv6 subscriber has at least a /64, and can use another address of it for each attempt.
create or replace function auth.address_subject(address text)
returns text
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
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
comment on function auth.address_subject(text) is 'The subject under which attempts from an address are counted: IPv4 whole, IPv6 by /64; null when it is not an address.';

create or replace function auth.account_at_address_subject(email text, address text)
returns text
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
  select encode(auth.sha256(auth.account_subject(email) || coalesce(auth.address_subject(address), '')), 'hex')
$$;
comment on function auth.account_at_address_subject(text, text) is 'The subject under which attempts for an e-mail address from one address are counted.';

create or replace function auth.count_attempt(action text, scope text, subject text)
returns integer
language sql volatile
set search_path = pg_catalog, pg_temp
as $$
  -- Concurrent attempts of one subject wait here for each other, so that each is counted.
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
comment on function auth.count_attempt(text, text, text) is 'Counts an attempt. Above the limit: the seconds to wait; else null.';

create or replace function auth.seconds_to_wait(action text, scope text, subject text)
returns integer
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select ceil(extract(epoch from throttle.until - now()))::integer
  from auth.throttles as throttle
  join auth.limits as allowed on allowed.action = throttle.action and allowed.scope = throttle.scope
  where throttle.action = seconds_to_wait.action
    and throttle.scope = seconds_to_wait.scope
    and throttle.subject = seconds_to_wait.subject
    and throttle.until > now()
    and throttle.attempts >= allowed.attempts
$$;
comment on function auth.seconds_to_wait(text, text, text) is 'The seconds until another attempt is allowed; null when it is now. Counts nothing and never waits.';

create or replace function auth.uncount_attempt(action text, scope text, subject text)
returns void
language sql volatile
set search_path = pg_catalog, pg_temp
as $$
  update auth.throttles as throttle
  set attempts = throttle.attempts - 1
  where throttle.action = uncount_attempt.action
    and throttle.scope = uncount_attempt.scope
    and throttle.subject = uncount_attempt.subject
$$;
comment on function auth.uncount_attempt(text, text, text) is 'Takes back an attempt that the same transaction counted.';

create or replace function auth.forgive(action text, scope text, subject text)
returns void
language sql volatile
set search_path = pg_catalog, pg_temp
as $$
  delete from auth.throttles as throttle
  where throttle.action = forgive.action and throttle.scope = forgive.scope and throttle.subject = forgive.subject
$$;
comment on function auth.forgive(text, text, text) is 'Forgets the attempts.';

create or replace function auth.refusal(outcome text, seconds integer default null)
returns jsonb
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_strip_nulls(jsonb_build_object('outcome', outcome, 'retryAfter', seconds))
$$;
comment on function auth.refusal(text, integer) is 'The answer to an attempt that failed. It is returned, not raised, so that the attempt stays counted.';

revoke all on function
  auth.sha256(text),
  auth.account_subject(text),
  auth.address_subject(text),
  auth.account_at_address_subject(text, text),
  auth.count_attempt(text, text, text),
  auth.seconds_to_wait(text, text, text),
  auth.uncount_attempt(text, text, text),
  auth.forgive(text, text, text),
  auth.refusal(text, integer)
  from public;
