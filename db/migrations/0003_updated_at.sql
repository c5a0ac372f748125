-- updated_at: never granted to callers, always the time of the last change

-- migrate:up

create function private.touch_updated_at()
returns trigger
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  new.updated_at := now();
  return new;
end
$$;
comment on function private.touch_updated_at() is 'Trigger: sets updated_at of a changed row to the time of its transaction.';

-- migrate:down
drop function private.touch_updated_at();
