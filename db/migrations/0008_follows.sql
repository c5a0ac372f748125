-- follows: which user follows which, and users with the number of their followers. Every caller may read them.

-- migrate:up

create table api.follows (
  -- Of profiles, not of auth.users: PostgREST can embed what it exposes.
  follower   uuid not null default auth.user_id() references api.profiles on delete cascade,
  followed   uuid not null references api.profiles on delete cascade,
  created_at timestamptz not null default now(),
  primary key (follower, followed),
  constraint nobody_follows_themselves check (follower <> followed)
);
comment on table api.follows is 'A user follows another.';
create index follows_followed on api.follows (followed);

alter table api.follows enable row level security;
create policy anyone_may_read on api.follows
  for select to anon, authenticated
  using (true);
create policy follower_may_insert on api.follows
  for insert to authenticated
  with check (follower = (select auth.user_id()));
create policy follower_may_delete on api.follows
  for delete to authenticated
  using (follower = (select auth.user_id()));
create policy service_may_do_everything on api.follows
  to service
  using (true) with check (true);

create view api.users with (security_invoker = true) as
select profile.id, profile.fullname, count(follow.follower) as followers
from api.profiles as profile
left join api.follows as follow on follow.followed = profile.id
group by profile.id, profile.fullname;
comment on view api.users is 'A user and how many follow it.';

grant select on api.follows to anon, authenticated;
-- follower is not granted: it is always the caller. Nothing of a follow can be changed.
grant insert (followed), delete on api.follows to authenticated;
grant select, insert, update, delete on api.follows to service;
grant select on api.users to anon, authenticated, service;

-- migrate:down
drop view api.users;
drop table api.follows;
