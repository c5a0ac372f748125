-- Example rows, only where the table is empty. Run by the owner of the tables, who alone may set a quantity at once.

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

insert into api.rescues (id, name, age, species)
select id::uuid, name, age, species
from (
  values
    ('0b5c6a52-5d0a-4f0e-9d43-6c1f0a7e1001', 'Ada',     3, 'dog'),
    ('0b5c6a52-5d0a-4f0e-9d43-6c1f0a7e1002', 'Biscuit', 7, 'dog'),
    ('0b5c6a52-5d0a-4f0e-9d43-6c1f0a7e1003', 'Clover',  1, 'rabbit'),
    ('0b5c6a52-5d0a-4f0e-9d43-6c1f0a7e1004', 'Dante',  12, 'cat'),
    ('0b5c6a52-5d0a-4f0e-9d43-6c1f0a7e1005', 'Echo',    4, 'parrot'),
    ('0b5c6a52-5d0a-4f0e-9d43-6c1f0a7e1006', 'Fig',     2, 'cat'),
    ('0b5c6a52-5d0a-4f0e-9d43-6c1f0a7e1007', 'Gus',     9, 'dog'),
    ('0b5c6a52-5d0a-4f0e-9d43-6c1f0a7e1008', 'Hazel',  61, 'tortoise')
) as example (id, name, age, species)
where not exists (select from api.rescues);
