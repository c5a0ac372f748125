-- A chat with roles: claims by path.

create table api.m_rooms (id integer primary key, org_id integer not null, topic text not null, is_open boolean not null);
create table api.m_messages (id integer primary key, room_id integer not null references api.m_rooms, author uuid not null, body text not null);
create function api.m_org() returns integer language sql stable as $$ select (auth.jwt() -> 'app_metadata' ->> 'org_id')::integer $$;
create function api.m_may_moderate() returns boolean language sql as $$ select coalesce((select auth.jwt() ->> 'user_role') = 'moderator', false) $$;

alter table api.m_rooms enable row level security;
alter table api.m_messages enable row level security;
create policy open on api.m_rooms for select using (is_open or org_id = (select api.m_org()) or api.m_may_moderate());
create policy visible on api.m_messages for select using (
  author = (select auth.uid()) or exists (select from api.m_rooms r where r.id = room_id)
);

insert into api.m_rooms values (1, 1, 'one', false), (2, 2, 'two', false), (3, 3, 'three', true);
insert into api.m_messages select n, 1 + n % 3, ('00000000-0000-4000-8000-00000000000' || chr(97 + n % 2))::uuid, 'message ' || n from generate_series(1, 30) as n;
