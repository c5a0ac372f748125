-- accounts: what the gateway asks of users and sessions, over PostgREST's profile postern, as the role postern.
--
-- Each is security definer: the role postern may read no table of auth, it may only ask these questions. Each answers
-- {"outcome": "ok", ...} or {"outcome": "<why not>"}; it raises nothing that is expected, since that would undo what was counted.
-- An attempt is counted for its account before the password is looked at, so that concurrent ones are counted too, and for its
-- address afterwards, so that people behind one address do not wait for each other.
-- Locks are taken in one order: throttles, users, sessions, refresh tokens. Pruning comes last: it takes what is free, in any order.

-- migrate:up

create function postern.sign_up(email text, password text, fullname text, user_metadata jsonb, bcrypt_cost integer, address text)
returns jsonb
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
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
comment on function postern.sign_up(text, text, text, jsonb, integer, text) is 'Makes a user and signs it in.';

-- Whether the e-mail is unknown or the password wrong: the same statements, the same bcrypt, the same answer.
create function postern.sign_in(email text, password text, bcrypt_cost integer, address text)
returns jsonb
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
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
$$;
comment on function postern.sign_in(text, text, integer, text) is 'Begins a session for who knows the password.';

create function postern.refresh_session(refresh_token text, address text)
returns jsonb
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
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
comment on function postern.refresh_session(text, text) is 'Takes a refresh token and gives the next one.';

create function postern.sign_out(user_id uuid, session_id uuid, scope text)
returns jsonb
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
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
comment on function postern.sign_out(uuid, uuid, text) is 'Ends this session of the user, all of them, or all others.';

create function postern.get_user(user_id uuid, session_id uuid)
returns jsonb
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
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
comment on function postern.get_user(uuid, uuid) is 'The user of a session that is alive.';

create function postern.update_user(user_id uuid, session_id uuid, changes jsonb, bcrypt_cost integer)
returns jsonb
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
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
comment on function postern.update_user(uuid, uuid, jsonb, integer) is 'Changes what is named of a user. A new password ends the user''s other sessions.';

grant usage on schema postern to postern;
grant execute on function
  postern.sign_up(text, text, text, jsonb, integer, text),
  postern.sign_in(text, text, integer, text),
  postern.refresh_session(text, text),
  postern.sign_out(uuid, uuid, text),
  postern.get_user(uuid, uuid),
  postern.update_user(uuid, uuid, jsonb, integer)
  to postern;

-- migrate:down
drop function postern.update_user(uuid, uuid, jsonb, integer);
drop function postern.get_user(uuid, uuid);
drop function postern.sign_out(uuid, uuid, text);
drop function postern.refresh_session(text, text);
drop function postern.sign_in(text, text, integer, text);
drop function postern.sign_up(text, text, text, jsonb, integer, text);
revoke usage on schema postern from postern;
