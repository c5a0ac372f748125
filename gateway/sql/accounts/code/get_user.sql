-- get_user: the user of a session

create or replace function postern.get_user(user_id uuid, session_id uuid)
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
comment on function postern.get_user(uuid, uuid) is 'The user of a session that has not ended.';

revoke all on function postern.get_user(uuid, uuid) from public;
grant execute on function postern.get_user(uuid, uuid) to postern;
