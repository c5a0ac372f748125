-- todos: only their creator and service may read or change them.

-- migrate:up

create table api.todos (
  id           bigint generated always as identity primary key,
  name         text not null
    constraint name_has_1_to_300_characters check (length(name) between 1 and 300),
  is_completed boolean not null default false,
  creator      uuid not null default auth.user_id() references auth.users on delete cascade,
  created_at   timestamptz not null default now(),
  updated_at   timestamptz not null default now()
);
comment on table api.todos is 'Something to do. Only its creator may read or change it.';
create index todos_creator on api.todos (creator, id);

create trigger touch_updated_at
  before update on api.todos
  for each row execute function private.touch_updated_at();

alter table api.todos enable row level security;
-- As a subquery, auth.user_id() is called once for each statement, not for each row.
create policy creator_only on api.todos
  to authenticated
  using (creator = (select auth.user_id())) with check (creator = (select auth.user_id()));
create policy service_may_do_everything on api.todos
  to service
  using (true) with check (true);

-- anon is granted nothing.
-- creator is not granted: it is always the caller.
-- id, created_at and updated_at are not granted: they are always the database's.
grant
  select,
  insert (name, is_completed),
  update (name, is_completed),
  delete
  on api.todos to authenticated;
grant select, insert, update, delete on api.todos to service;

-- migrate:down
drop table api.todos;
