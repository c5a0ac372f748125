// Checks the database itself, as the owner of the tables: what PostgREST cannot tell. Reads only.
import { Client } from "pg";
import { command, operator, type Report, sql } from "./finding.ts";
import { reasonOf } from "./postgrest.ts";

/** The role that PostgREST logs in as, where the database cannot tell. */
const USUAL_LOGIN = "authenticator";

const LIMIT_MS = 15_000;

export interface Database {
	readonly login: string;
	readonly isMigrated: boolean;
	readonly mayWatch: boolean;
	findHook(name: string): Promise<string | undefined>;
	/** The text that a query gives. */
	findText(query: string, values?: unknown[]): Promise<string>;
	/** The JSON that a query gives. */
	findJson(query: string, values?: unknown[]): Promise<unknown>;
	end(): Promise<void>;
}

/** @returns undefined where the database cannot be asked, with the reason in the report */
export async function openDatabase(
	url: string,
	report: Report,
): Promise<Database | undefined> {
	const client = new Client({
		connectionString: url,
		connectionTimeoutMillis: LIMIT_MS,
		query_timeout: LIMIT_MS,
	});
	client.on("error", () => {});
	try {
		await client.connect();
	} catch (error) {
		report.addWrong(
			"database",
			`The database of DATABASE_URL is not reached: ${reasonOf(error)}`,
			operator("set DATABASE_URL to the database, as the owner of its tables"),
		);
		await client.end().catch(() => {});
		return undefined;
	}
	const find = async (query: string, values: unknown[] = []) => {
		const { rows } = await client.query({
			text: query,
			values,
			rowMode: "array",
		});
		return rows[0]?.[0];
	};
	return {
		login: (await find(LOGIN)) ?? USUAL_LOGIN,
		isMigrated: await find(
			"select to_regprocedure('postern.status()') is not null",
		),
		mayWatch: await find(MAY_WATCH),
		findHook: async (name) => (await find(HOOK, [name])) ?? undefined,
		findText: async (query, values) => String(await find(query, values)),
		findJson: find,
		end: () => client.end(),
	};
}

const LOGIN = `
	select usename from pg_catalog.pg_stat_activity
	where datname = current_database() and application_name ~* '^postgrest' limit 1`;

/** A superuser may create event triggers. So could the role that has created those that are there. */
const MAY_WATCH = `
	select rolsuper or exists (select from pg_catalog.pg_event_trigger where evtname ~ '^postern_')
	from pg_catalog.pg_roles where rolname = current_user`;

const HOOK = `
	select format('%I.%I()', nspname, proname)
	from pg_catalog.pg_proc join pg_catalog.pg_namespace on pg_namespace.oid = pronamespace
	where proname = $1 and pronargs = 0
	order by pronamespace = 'pg_catalog'::regnamespace limit 1`;

/** Publications of the outbox, of which every row is deleted some time. */
const PUBLISHED = `
	select json_build_object(
		'names', (
			select json_agg(distinct published.pubname)
			from pg_catalog.pg_publication_tables as published
			join pg_catalog.pg_publication using (pubname)
			where published.schemaname = 'postern' and published.tablename = 'outbox' and (pubdelete or pubupdate)
		),
		'isIdentified', (select relreplident = 'f' from pg_catalog.pg_class where oid = to_regclass('postern.outbox'))
	)`;

/** Roles with no statement_timeout: of their own, which PostgREST sets for each request, or of the session that it logs in with. */
const WITHOUT_TIMEOUT = `
	select coalesce(json_agg(role order by role), '[]')
	from unnest($1::text[]) as role
	where exists (select from pg_catalog.pg_roles where rolname = role)
		and not exists (
			select
			from pg_catalog.pg_db_role_setting
			cross join unnest(setconfig) as setting
			where setting ~ '^statement_timeout=(?!0\\D*$)'
				and setdatabase in (0, (select oid from pg_catalog.pg_database where datname = current_database()))
				and (setrole = 0 or setrole::regrole::text in (quote_ident(role), quote_ident($2)))
		)
		and not exists (
			select from pg_catalog.pg_settings where name = 'statement_timeout' and source = 'configuration file' and setting <> '0'
		)`;

/** PostgREST ends no statement by itself, and one that takes for ever keeps a connection of its pool. */
export async function checkTimeouts(
	{ findJson, login }: Database,
	roles: ReadonlySet<string>,
	report: Report,
): Promise<void> {
	const untimed = (await findJson(WITHOUT_TIMEOUT, [
		[...roles],
		login,
	])) as string[];
	for (const role of untimed)
		report.addNote(
			"statement timeouts",
			`A statement of the role ${role} may take for ever: it has no statement_timeout`,
			sql(`alter role "${role}" set statement_timeout = '10s'`),
		);
}

export async function checkDatabase(
	database: Database,
	report: Report,
): Promise<void> {
	if (!database.isMigrated) {
		report.addWrong(
			"migrations",
			"The database lacks the gateway's schema",
			command("npx postern migrate"),
		);
		return;
	}
	const { names, isIdentified } = (await database.findJson(PUBLISHED)) as {
		names: string[] | null;
		isIdentified: boolean;
	};
	if (names === null) return;
	const list = names.join(", ");
	if (!isIdentified)
		report.addWrong(
			"publications",
			`The outbox cannot be pruned: it is published by ${list}, and has no replica identity`,
			sql("alter table postern.outbox replica identity full"),
		);
	report.addNote(
		"publications",
		`The outbox is published by ${list}: a subscriber that lacks the table postern.outbox stops`,
		operator(
			"run postern migrate at the subscriber as well, or publish tables by name",
		),
	);
}
