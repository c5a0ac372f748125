-- sign_out: ends sessions

create or replace function postern.sign_out(user_id uuid, session_id uuid, scope text)
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

revoke all on function postern.sign_out(uuid, uuid, text) from public;
grant execute on function postern.sign_out(uuid, uuid, text) to postern;
