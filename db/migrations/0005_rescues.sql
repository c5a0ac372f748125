-- rescues: animals looking for a home. Anyone may read them, authenticated may change them.

-- migrate:up

create table api.rescues (
  id         uuid primary key default gen_random_uuid(),
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

create trigger touch_updated_at
  before update on api.rescues
  for each row execute function postern.touch_updated_at();

alter table api.rescues enable row level security;
create policy anyone_may_read on api.rescues
  for select to anon, authenticated
  using (true);
create policy authenticated_may_write on api.rescues
  to authenticated
  using (true) with check (true);

create view api.rescue_counts with (security_invoker = true) as
select species, count(*) as count
from api.rescues
group by species;
comment on view api.rescue_counts is 'How many rescues there are of each species.';

grant select on api.rescues to anon, authenticated;
-- id, created_at and updated_at are not granted: they are always the database's.
grant
  insert (name, age, species),
  update (name, age, species),
  delete
  on api.rescues to authenticated;
grant select on api.rescue_counts to anon, authenticated;

-- migrate:down
drop view api.rescue_counts;
drop table api.rescues;
