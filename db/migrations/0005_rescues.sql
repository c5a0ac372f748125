-- rescues: animals that need a home. Every caller may read them; authenticated and service may change them.

-- migrate:up

create table api.rescues (
  -- The client may choose it; else choose_rescue_id does.
  id         bigint constraint id_is_unique primary key
    constraint id_is_positive_with_15_digits_at_most check (id between 1 and 999999999999999),
  name       text not null
    constraint name_has_1_to_100_characters check (length(name) between 1 and 100),
  age        integer not null
    constraint age_is_0_to_150 check (age between 0 and 150),
  species    text not null
    constraint species_has_1_to_100_characters check (length(species) between 1 and 100),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
comment on table api.rescues is 'A rescued animal. Its age is in years.';

create sequence private.rescue_ids;

create table private.rescue_id_choices ();
comment on table private.rescue_id_choices is
'Has no rows. A transaction that inserts a chosen id locks it against those in which the database chooses one, and the reverse.';

-- A plain sequence would give an id that a client has chosen before. An uncommitted choice cannot be seen, so it is waited for:
-- "row exclusive" and "share" exclude each other, and neither excludes itself.
create function private.choose_rescue_id()
returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if new.id is not null then
    lock table private.rescue_id_choices in row exclusive mode;
    return new;
  end if;
  lock table private.rescue_id_choices in share mode;
  loop
    new.id := nextval('private.rescue_ids');
    exit when not exists (select from api.rescues as rescue where rescue.id = new.id);
  end loop;
  return new;
end
$$;
comment on function private.choose_rescue_id() is 'Trigger: gives a new rescue an id that is free, unless the client chose one.';

create trigger choose_rescue_id
  before insert on api.rescues
  for each row execute function private.choose_rescue_id();

create trigger touch_updated_at
  before update on api.rescues
  for each row execute function private.touch_updated_at();

alter table api.rescues enable row level security;
create policy anyone_may_read on api.rescues
  for select to anon, authenticated
  using (true);
create policy authenticated_may_write on api.rescues
  to authenticated
  using (true) with check (true);
create policy service_may_do_everything on api.rescues
  to service
  using (true) with check (true);

create view api.rescue_counts with (security_invoker = true) as
select species, count(*) as count
from api.rescues
group by species;
comment on view api.rescue_counts is 'How many rescues there are of each species.';

grant select on api.rescues to anon, authenticated, service;
-- id is not granted on update: a rescue keeps it. created_at and updated_at are not granted: they are always the database's.
grant
  insert (id, name, age, species),
  update (name, age, species),
  delete
  on api.rescues to authenticated;
-- A trusted program may set every column: it brings rows in with their times.
grant insert, update, delete on api.rescues to service;
grant select on api.rescue_counts to anon, authenticated, service;

-- migrate:down
drop view api.rescue_counts;
drop table api.rescues;
drop function private.choose_rescue_id();
drop table private.rescue_id_choices;
drop sequence private.rescue_ids;
