-- update_user: changes e-mail, password, name or metadata. A current_password that is given has to be the right one.

create or replace function postern.update_user(user_id uuid, session_id uuid, changes jsonb, bcrypt_cost integer)
returns jsonb
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  -- A null in user_metadata removes the key, as clients of GoTrue expect.
  metadata jsonb := coalesce(changes -> 'user_metadata', '{}');
  hash text;
  wait integer;
  account auth.users;
begin
  if jsonb_typeof(changes) is distinct from 'object'
    or changes - '{email,password,current_password,fullname,user_metadata}'::text[] <> '{}'
  then
    raise sqlstate '22023'
      using message = 'the changes are not an object of email, password, current_password, fullname and user_metadata';
  elsif not auth.has_session(user_id, session_id) then
    return auth.refusal('session_not_found');
  elsif changes ? 'email' and not auth.is_email(changes ->> 'email') then
    return auth.refusal('invalid_email');
  elsif changes ? 'password' and not auth.is_password(changes ->> 'password') then
    return auth.refusal('invalid_password');
  elsif changes ? 'fullname' and coalesce(length(changes ->> 'fullname'), 0) not between 1 and 300 then
    return auth.refusal('invalid_fullname');
  elsif jsonb_typeof(metadata) <> 'object' then
    return auth.refusal('invalid_user_metadata');
  end if;

  if changes ?| '{password,current_password}' then
    wait := auth.count_attempt('change_password', 'account', user_id::text);
    if wait is not null then
      return auth.refusal('throttled', wait);
    end if;
    select * into account
    from auth.users as candidate
    where candidate.id = update_user.user_id;
    if changes ? 'current_password' and not auth.verify_password(changes ->> 'current_password', account.password_hash, bcrypt_cost) then
      return auth.refusal('wrong_current_password');
    end if;
  end if;
  if changes ? 'password' then
    if auth.verify_password(changes ->> 'password', account.password_hash, bcrypt_cost) then
      return auth.refusal('same_password');
    end if;
    hash := auth.hash_password(changes ->> 'password', bcrypt_cost);
  end if;

  -- Concurrent changes of one user wait here for each other. The session may have ended meanwhile.
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
    -- This undoes the block only: the attempt stays counted.
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
comment on function postern.update_user(uuid, uuid, jsonb, integer) is 'Changes the named fields of a user. A new password ends the user''s other sessions.';

revoke all on function postern.update_user(uuid, uuid, jsonb, integer) from public;
grant execute on function postern.update_user(uuid, uuid, jsonb, integer) to postern;
