-- throttles: how often somebody may try. Counted for the account that is meant and for the address that it comes from.

-- migrate:up

create table auth.limits (
  action   text not null,
  scope    text not null constraint scope_is_account_or_address check (scope in ('account', 'address')),
  attempts integer not null constraint attempts_is_positive check (attempts between 1 and 1000000),
  per      interval not null constraint per_is_positive check (per > '0'),
  primary key (action, scope)
);
comment on table auth.limits is 'How many attempts there may be in a time. To be changed by the operator; without a row there is no limit.';

insert into auth.limits (action, scope, attempts, per)
values
  -- wrong passwords; the right one forgives those of its account
  ('sign_in',         'account',  10, '15 minutes'),
  ('sign_in',         'address', 100, '15 minutes'),
  -- all attempts
  ('sign_up',         'account',  10, '1 hour'),
  ('sign_up',         'address',  60, '1 hour'),
  ('refresh',         'account', 120, '10 minutes'),
  ('refresh',         'address', 3000, '10 minutes'),
  ('change_password', 'account',  10, '1 hour');

create table auth.throttles (
  action   text not null,
  scope    text not null,
  subject  text not null,
  attempts integer not null,
  until    timestamptz not null,
  primary key (action, scope, subject)
);
comment on table auth.throttles is 'The attempts of one account or address in a time that ends at until.';
create index throttles_until on auth.throttles (until);

create function auth.sha256(secret text)
returns bytea
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
  select sha256(convert_to(secret, 'UTF8'))
$$;
comment on function auth.sha256(text) is 'All that is stored of a token or key. They are random, so they need no salt and no slow hash.';

-- A hash, because what people type here by mistake can be a password.
create function auth.account_subject(email text)
returns text
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
  select encode(auth.sha256(coalesce(auth.normalise_email(email), email, '')), 'hex')
$$;
comment on function auth.account_subject(text) is 'The subject under which attempts for an e-mail address are counted, whether it has an account or not.';

-- An IPv6 subscriber has a /64 at least and may use a new address of it for each attempt.
create function auth.address_subject(address text)
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
comment on function auth.address_subject(text) is 'The subject under which attempts from an address are counted: IPv4 whole, IPv6 by /64; null when it is no address.';

create function auth.count_attempt(action text, scope text, subject text)
returns integer
language sql volatile
set search_path = pg_catalog, pg_temp
as $$
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
comment on function auth.count_attempt(text, text, text) is 'Counts an attempt. The seconds to wait when it is one too many, else null.';

create function auth.seconds_to_wait(action text, scope text, subject text)
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
comment on function auth.seconds_to_wait(text, text, text) is 'The seconds until another attempt is allowed; null when it is now. Counts nothing and waits for nobody.';

create function auth.forgive(action text, scope text, subject text)
returns void
language sql volatile
set search_path = pg_catalog, pg_temp
as $$
  delete from auth.throttles as throttle
  where throttle.action = forgive.action and throttle.scope = forgive.scope and throttle.subject = forgive.subject
$$;
comment on function auth.forgive(text, text, text) is 'Forgets the attempts.';

create function auth.refusal(outcome text, seconds integer default null)
returns jsonb
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_strip_nulls(jsonb_build_object('outcome', outcome, 'retryAfter', seconds))
$$;
comment on function auth.refusal(text, integer) is 'The answer to an attempt that failed. It is returned, not raised: what was counted has to be committed.';

-- migrate:down
drop function auth.refusal(text, integer);
drop function auth.forgive(text, text, text);
drop function auth.seconds_to_wait(text, text, text);
drop function auth.count_attempt(text, text, text);
drop function auth.address_subject(text);
drop function auth.account_subject(text);
drop function auth.sha256(text);
drop table auth.throttles;
drop table auth.limits;
