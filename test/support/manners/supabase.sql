-- Schemas in Supabase's manner, with nothing declared: helpers with a body of text, policies that call them, claims by path, the clock.

create function auth.uid() returns uuid language sql stable as $$
  select
  coalesce(
    nullif(current_setting('request.jwt.claim.sub', true), ''),
    (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')
  )::uuid
$$;
create function auth.role() returns text language sql stable as $$
  select
  coalesce(
    nullif(current_setting('request.jwt.claim.role', true), ''),
    (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role')
  )::text
$$;
create function auth.email() returns text language sql stable as $$
  select
  coalesce(
    nullif(current_setting('request.jwt.claim.email', true), ''),
    (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'email')
  )::text
$$;
create function auth.jwt() returns jsonb language sql stable as $$
  select
    coalesce(
        nullif(current_setting('request.jwt.claim', true), ''),
        nullif(current_setting('request.jwt.claims', true), '')
    )::jsonb
$$;
grant usage on schema auth to anon, authenticated;
grant execute on function auth.uid(), auth.role(), auth.email(), auth.jwt() to anon, authenticated;

-- several tenants, with helpers for memberships
create table api.m_orgs (id integer primary key, name text not null);
create table api.m_members (org_id integer not null references api.m_orgs, user_id uuid not null, level text not null, primary key (org_id, user_id));
create table api.m_projects (id integer primary key, org_id integer not null references api.m_orgs, name text not null);
create table api.m_tasks (id integer primary key, project_id integer not null references api.m_projects, title text not null, is_done boolean not null);
create function api.m_is_member(org integer) returns boolean language sql security definer set search_path = api as $$
  select exists (select 1 from m_members where org_id = org and user_id = auth.uid());
$$;
create function api.m_my_orgs() returns setof integer language sql stable security definer set search_path = '' as $$
  select org_id from api.m_members where user_id = (select auth.uid())
$$;
-- Without a search path of its own: PostgREST's is api, public.
set search_path = api, public;
create function api.m_has_level(org integer, wanted text default 'admin') returns boolean language sql stable as $$
  select exists (select from m_members m where m.org_id = m_has_level.org and m.user_id = auth.uid() and m.level = wanted)
$$;
reset search_path;

-- a chat with roles
create table api.m_rooms (id integer primary key, org_id integer not null, topic text not null, is_open boolean not null);
create table api.m_messages (id integer primary key, room_id integer not null references api.m_rooms, author uuid not null, body text not null);
create function api.m_org() returns integer language sql stable as $$ select (auth.jwt() -> 'app_metadata' ->> 'org_id')::integer $$;
create function api.m_may_moderate() returns boolean language sql as $$ select coalesce((select auth.jwt() ->> 'user_role') = 'moderator', false) $$;

-- a blog with drafts, published by the clock
create table api.m_posts (id integer primary key, author uuid not null, title text not null, published_at timestamptz);
create view api.m_recent with (security_invoker) as select id, title from api.m_posts where published_at > now() - interval '1 year';
create function api.m_is_public(at timestamptz) returns boolean language sql stable as $$ select at is not null and at <= now() $$;

do $$
declare
  name text;
begin
  foreach name in array '{m_orgs,m_members,m_projects,m_tasks,m_rooms,m_messages,m_posts}'::text[]
  loop
    execute format('alter table api.%I enable row level security', name);
  end loop;
end
$$;
create policy mine on api.m_orgs for select to authenticated using (api.m_is_member(id));
create policy mine on api.m_members for select to authenticated using (user_id = auth.uid() or org_id in (select api.m_my_orgs()));
create policy mine on api.m_projects for select to authenticated using (org_id in (select api.m_my_orgs()));
create policy mine on api.m_tasks for select to authenticated using (
  exists (select from api.m_projects p where p.id = project_id and api.m_is_member(p.org_id))
);
create policy open on api.m_rooms for select using (is_open or org_id = (select api.m_org()) or api.m_may_moderate());
create policy visible on api.m_messages for select using (
  author = (select auth.uid()) or exists (select from api.m_rooms r where r.id = room_id)
);
create policy published on api.m_posts for select using (api.m_is_public(published_at) or author = (select auth.uid()));

insert into api.m_orgs values (1, 'one'), (2, 'two'), (3, 'three');
insert into api.m_members values
  (1, '00000000-0000-4000-8000-00000000000a', 'admin'), (2, '00000000-0000-4000-8000-00000000000a', 'guest'),
  (2, '00000000-0000-4000-8000-00000000000b', 'admin'), (3, '00000000-0000-4000-8000-00000000000b', 'guest');
insert into api.m_projects select n, 1 + n % 3, 'project ' || n from generate_series(1, 9) as n;
insert into api.m_tasks select n, 1 + n % 9, 'task ' || n, n % 2 = 0 from generate_series(1, 40) as n;
insert into api.m_rooms values (1, 1, 'one', false), (2, 2, 'two', false), (3, 3, 'three', true);
insert into api.m_messages select n, 1 + n % 3, ('00000000-0000-4000-8000-00000000000' || chr(97 + n % 2))::uuid, 'message ' || n from generate_series(1, 30) as n;
insert into api.m_posts select n, ('00000000-0000-4000-8000-00000000000' || chr(97 + n % 2))::uuid, 'post ' || n,
  case n % 3 when 0 then null when 1 then now() - n * interval '1 day' else now() + n * interval '1 day' end from generate_series(1, 12) as n;
grant select on all tables in schema api to anon, authenticated;
grant execute on all functions in schema api to anon, authenticated;
select postern.track_schema('api');
