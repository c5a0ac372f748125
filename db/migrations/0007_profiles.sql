-- profiles: what every caller may know of a user

-- migrate:up

create table api.profiles (
  id       uuid primary key references auth.users on delete cascade,
  fullname text not null
    constraint fullname_has_1_to_300_characters check (length(fullname) between 1 and 300)
);
comment on table api.profiles is 'What every caller may know of a user.';

insert into api.profiles (id, fullname)
select id, fullname from auth.users;

create function private.keep_profile()
returns trigger
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  insert into api.profiles (id, fullname)
  values (new.id, new.fullname)
  on conflict on constraint profiles_pkey do update
  set fullname = excluded.fullname;
  return null;
end
$$;
comment on function private.keep_profile() is 'Trigger: each user has a profile, with the user''s name.';

create trigger keep_profile
  after insert or update of fullname on auth.users
  for each row execute function private.keep_profile();

alter table api.profiles enable row level security;
create policy anyone_may_read on api.profiles
  for select to anon, authenticated, service
  using (true);

-- No role is granted a change, not even service: a profile follows its user, whom postern.update_user changes.
grant select on api.profiles to anon, authenticated, service;

-- migrate:down
drop trigger keep_profile on auth.users;
drop function private.keep_profile();
drop table api.profiles;
