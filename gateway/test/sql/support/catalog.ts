// Everything that a migration can make in a database, one line each, without what differs between two databases that are the same.

import type { ClientBase } from "pg";

const CATALOG = `
	with
	schema as (
		select *
		from pg_namespace
		where nspname !~ '^pg_' and nspname <> 'information_schema'
	),
	-- dbmate's table stays when all migrations are undone.
	class as (
		select pg_class.*
		from pg_class
		join schema on schema.oid = relnamespace
		where relname !~ '^schema_migrations'
	),
	function as (
		select pg_proc.*
		from pg_proc
		join schema on schema.oid = pronamespace
	)
	select concat_ws(' ', 'schema', nspname, nspowner::regrole, sorted.acl, obj_description(oid, 'pg_namespace')) as line
	from schema
	cross join lateral (select array(select item::text from unnest(coalesce(nspacl, acldefault('n', nspowner))) as item order by 1) as acl) as sorted
	union all
	select concat_ws(' ', 'relation', oid::regclass, relkind, relowner::regrole, relrowsecurity, relforcerowsecurity, reloptions, relacl, obj_description(oid, 'pg_class'))
	from class
	union all
	select concat_ws(' ', 'column', class.oid::regclass, attnum, attname, format_type(atttypid, atttypmod), attnotnull, attidentity, attgenerated, attacl,
		pg_get_expr(adbin, adrelid), col_description(class.oid, attnum))
	from class
	join pg_attribute on attrelid = class.oid and attnum > 0 and not attisdropped
	left join pg_attrdef on adrelid = attrelid and adnum = attnum
	union all
	select concat_ws(' ', 'constraint', conrelid::regclass, conname, pg_get_constraintdef(pg_constraint.oid))
	from pg_constraint
	join class on class.oid = conrelid
	union all
	select concat_ws(' ', 'index', pg_get_indexdef(oid))
	from class
	where relkind = 'i'
	union all
	select concat_ws(' ', 'view', oid::regclass, pg_get_viewdef(oid))
	from class
	where relkind in ('v', 'm')
	union all
	select concat_ws(' ', 'policy', polrelid::regclass, polname, polcmd, polpermissive, polroles::regrole[],
		pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid))
	from pg_policy
	union all
	select concat_ws(' ', 'trigger', tgrelid::regclass, tgenabled, pg_get_triggerdef(pg_trigger.oid))
	from pg_trigger
	join class on class.oid = tgrelid
	where not tgisinternal
	union all
	select concat_ws(' ', 'function', oid::regprocedure, proowner::regrole, proacl, obj_description(oid, 'pg_proc'),
		case when prokind in ('f', 'p') then pg_get_functiondef(oid) end)
	from function
	union all
	select concat_ws(' ', 'type', pg_type.oid::regtype, typtype, typowner::regrole, typacl, obj_description(pg_type.oid, 'pg_type'))
	from pg_type
	join schema on schema.oid = typnamespace
	where typtype in ('d', 'e', 'm', 'r')
	union all
	select concat_ws(' ', 'event trigger', evtname, evtevent, evtenabled, evtfoid::regproc, evttags)
	from pg_event_trigger
	union all
	select concat_ws(' ', 'default privileges', defaclrole::regrole, defaclnamespace::regnamespace, defaclobjtype, defaclacl)
	from pg_default_acl
	union all
	select concat_ws(' ', 'extension', extname, extversion)
	from pg_extension
	order by 1`;

export async function readCatalog(client: ClientBase): Promise<string[]> {
	const { rows } = await client.query<{ line: string }>(CATALOG);
	return rows.map(({ line }) => line);
}
