-- Several tenants, with helpers for memberships.

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

alter table api.m_orgs enable row level security;
alter table api.m_members enable row level security;
alter table api.m_projects enable row level security;
alter table api.m_tasks enable row level security;
create policy mine on api.m_orgs for select to authenticated using (api.m_is_member(id));
create policy mine on api.m_members for select to authenticated using (user_id = auth.uid() or org_id in (select api.m_my_orgs()));
create policy mine on api.m_projects for select to authenticated using (org_id in (select api.m_my_orgs()));
create policy mine on api.m_tasks for select to authenticated using (
  exists (select from api.m_projects p where p.id = project_id and api.m_is_member(p.org_id))
);

insert into api.m_orgs values (1, 'one'), (2, 'two'), (3, 'three');
insert into api.m_members values
  (1, '00000000-0000-4000-8000-00000000000a', 'admin'), (2, '00000000-0000-4000-8000-00000000000a', 'guest'),
  (2, '00000000-0000-4000-8000-00000000000b', 'admin'), (3, '00000000-0000-4000-8000-00000000000b', 'guest');
insert into api.m_projects select n, 1 + n % 3, 'project ' || n from generate_series(1, 9) as n;
insert into api.m_tasks select n, 1 + n % 9, 'task ' || n, n % 2 = 0 from generate_series(1, 40) as n;
