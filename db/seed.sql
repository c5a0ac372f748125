-- Example rows, where the tables are empty. Run by the owner of the tables: no caller may set the quantity of a new product.

insert into api.products (serial_number, title, weight_lbs, quantity)
select serial_number, title, weight_lbs, quantity
from (
  values
    ('LAMP-001',  'Desk lamp',           3.5,  40),
    ('CHAIR-001', 'Office chair',       31,    12),
    ('DESK-001',  'Standing desk',      92.4,   5),
    ('SHELF-001', 'Wall shelf',         11.2,  25),
    ('PLANT-001', 'Potted fern',         4.8,  60),
    ('RUG-001',   'Wool rug',           17.6,   8),
    ('CLOCK-001', 'Wall clock',          2.1,  33)
) as example (serial_number, title, weight_lbs, quantity)
where not exists (select from api.products);

insert into api.rescues (name, age, species)
select name, age, species
from (
  values
    ('Ada',     3, 'dog'),
    ('Biscuit', 7, 'dog'),
    ('Clover',  1, 'rabbit'),
    ('Dante',  12, 'cat'),
    ('Echo',    4, 'parrot'),
    ('Fig',     2, 'cat'),
    ('Gus',     9, 'dog'),
    ('Hazel',  61, 'tortoise')
) as example (name, age, species)
where not exists (select from api.rescues);

-- 130 users, of whom the first three have 125, 110 and 12 followers. Their hash belongs to no password, so none of them can sign in.
with example as (
  select
    n,
    format('5eed0000-0000-4000-8000-%s', lpad(n::text, 12, '0'))::uuid as id,
    coalesce((array['Margaret Hamilton', 'Radia Perlman', 'Barbara Liskov'])[n], format('Reader %s', n)) as fullname
  from generate_series(1, 130) as n
  where not exists (select from auth.users)
)
insert into auth.users (id, email, password_hash, fullname)
select id, format('reader-%s@example.com', n), '$2a$10$' || repeat('.', 53), fullname
from example;

insert into api.follows (follower, followed)
select follower.id, followed.id
from (values (1, 125), (2, 110), (3, 12)) as example (n, followers)
join api.profiles as followed on followed.id = format('5eed0000-0000-4000-8000-%s', lpad(example.n::text, 12, '0'))::uuid
join lateral (
  select profile.id
  from api.profiles as profile
  where profile.id::text like '5eed0000-0000-4000-8000-%' and profile.id <> followed.id
  order by profile.id
  limit example.followers
) as follower on true
where not exists (select from api.follows);
