// The mistakes that `postern doctor` has to find, each with what it says and what it prints that mends it.

import type { Mend } from "../../../gateway/cli/doctor/finding.ts";
import { makeCredentials } from "../../../gateway/cli/stack/credentials.ts";
import { freePort, LOOPBACK } from "../../../gateway/cli/stack/ports.ts";
import { type World, WRANGLER } from "./world.ts";

type Change = (world: World) => unknown;

export interface Mistake {
	plant: Change;
	/** What doctor says. */
	problem: string | RegExp;
	/** What it prints that mends it. */
	mend: string | RegExp;
	by: Mend["by"];
	/** What the operator does, where doctor does not know the value. */
	operate?: Change;
}

const set =
	(name: string, value: string): Change =>
	(world) =>
		world.set(name, value);
const configure =
	(name: string, value: string): Change =>
	(world) =>
		world.configure(name, value);
const run =
	(statement: string): Change =>
	(world) =>
		world.owner.query(statement);
const original =
	(name: string): Change =>
	(world) =>
		world.restore(name);

export const MISTAKES: Readonly<Record<string, Mistake>> = {
	"an ORIGIN_URL where nothing listens": {
		plant: async (world) =>
			world.set("ORIGIN_URL", `http://${LOOPBACK}:${await freePort()}`),
		problem: /^No PostgREST answers at ORIGIN_URL: connect ECONNREFUSED/,
		mend: "set ORIGIN_URL to the address where PostgREST answers",
		by: "operator",
		operate: original("ORIGIN_URL"),
	},
	"an ORIGIN_URL of another server": {
		plant: async (world) =>
			world.set("ORIGIN_URL", await world.serve(() => [404, "<html>"])),
		problem: /^No PostgREST answers at ORIGIN_URL: The origin answers 404/,
		mend: "set ORIGIN_URL to the address where PostgREST answers",
		by: "operator",
		operate: original("ORIGIN_URL"),
	},
	"another key in PostgREST": {
		plant: async (world) =>
			world.configure("PGRST_JWT_SECRET", (await makeCredentials()).originJwks),
		problem: /^PostgREST refuses the gateway's token: /,
		mend: /^jwt-secret = "\{\\"keys\\":\[/,
		by: "postgrest",
	},
	"another audience in PostgREST": {
		plant: configure("PGRST_JWT_AUD", "somebody else"),
		problem: /^PostgREST refuses the gateway's token: JWT ?not ?in ?audience$/i,
		mend: 'jwt-aud = "postgrest"',
		by: "postgrest",
	},
	"db-schemas without postern": {
		plant: configure("PGRST_DB_SCHEMAS", "api"),
		problem: "PostgREST does not expose the schema postern",
		mend: 'db-schemas = "api, postern"',
		by: "postgrest",
	},
	"DB_SCHEMAS that differ from db-schemas": {
		plant: set("DB_SCHEMAS", "public,api"),
		problem:
			"PostgREST exposes the schemas api, the Worker plans for public,api",
		mend: "DB_SCHEMAS='api'",
		by: "worker",
	},
	"a setting that is wrong": {
		plant: set("MAX_STALENESS_SECONDS", "soon"),
		problem: "MAX_STALENESS_SECONDS is not a number",
		mend: /^set MAX_STALENESS_SECONDS in wrangler\.jsonc/,
		by: "operator",
		operate: set("MAX_STALENESS_SECONDS", "5"),
	},
	"a Worker without the change feed": {
		plant: (world) =>
			world.writeWrangler({ ...WRANGLER, durable_objects: undefined }),
		problem: "The Worker has no binding CHANGE_FEED: nothing is cached",
		mend: /"class_name": "ChangeFeed"/,
		by: "operator",
		operate: (world) => world.writeWrangler(WRANGLER),
	},
	"an older contract": {
		plant: run(
			"create or replace function postern.contract() returns integer language sql immutable return 0",
		),
		problem: "Nothing is cached: database contract 0, this Worker speaks 1",
		mend: "npx postern migrate",
		by: "command",
	},
	"the code of an older version": {
		plant: run("update postern.programs set version = '0.1.9'"),
		problem:
			/^The database has the gateway's schema of 0\.1\.9, this package is /,
		mend: "npx postern migrate",
		by: "command",
	},
	"a PostgREST that was not tested": {
		plant: async (world) =>
			world.set(
				"ORIGIN_URL",
				await world.behind(() => ({ server: "postgrest/17.0" })),
			),
		problem: "Nothing is cached: PostgREST 17 was not tested",
		mend: "use PostgREST 12, 14 and 16, or set CACHE_UNTESTED_VERSIONS='on'",
		by: "operator",
		operate: original("ORIGIN_URL"),
	},
	"a PostgreSQL that was not tested": {
		plant: run(`
			alter function postern.status() rename to true_status;
			create function postern.status() returns jsonb language sql stable set search_path = '' as 'select postern.true_status() || jsonb_build_object(''postgres'', 19)';
			grant execute on function postern.status() to postern;
		`),
		problem: "Nothing is cached: PostgreSQL 19 was not tested",
		mend: "use PostgreSQL 15, 16, 17 and 18, or set CACHE_UNTESTED_VERSIONS='on'",
		by: "operator",
		operate: run(
			"drop function postern.status(); alter function postern.true_status() rename to status",
		),
	},
	"a role that PostgREST may not take": {
		plant: run("revoke postern from authenticator"),
		problem:
			'PostgREST cannot become postern: permission denied to set role "postern"',
		mend: 'grant "postern" to "authenticator"',
		by: "sql",
	},
	"a caller's role that does not exist": {
		plant: set("TOKEN_ROLES", "anon,authenticated,editor"),
		problem: 'PostgREST cannot become editor: role "editor" does not exist',
		mend: 'create role "editor" nologin noinherit; grant "editor" to "authenticator"',
		by: "sql",
	},
	"a trigger that was disabled": {
		plant: run("alter table api.notes disable trigger postern_update"),
		problem: "api.notes has a trigger postern_update that is not ENABLE ALWAYS",
		mend: "select postern.track('api.notes', '00:00:02')",
		by: "sql",
	},
	"a trigger that was dropped": {
		plant: run("drop trigger postern_delete on api.notes"),
		problem: "api.notes has no trigger postern_delete",
		mend: "select postern.track('api.notes', '00:00:02')",
		by: "sql",
	},
	"a table that logical replication writes": {
		plant: run(`
			create table api.copies (id bigint primary key);
			select postern.track('api.copies');
			create subscription copies connection 'host=nowhere' publication copies with (connect = false);
			insert into pg_subscription_rel (srsubid, srrelid, srsubstate) select oid, 'api.copies'::regclass, 'r' from pg_subscription;
		`),
		problem:
			"api.copies is written by logical replication, which fires no statement triggers",
		mend: "select postern.untrack('api.copies')",
		by: "sql",
	},
	"a failure of an event trigger": {
		plant: run(
			"insert into postern.tracking_failures (relation, reason) values ('api.notes'::regclass, 'the table is locked')",
		),
		problem: "tracking of api.notes failed: the table is locked",
		mend: "select postern.track('api.notes', '00:00:02')",
		by: "sql",
	},
	"event triggers that do not fire": {
		plant: run("alter event trigger postern_after_ddl disable"),
		problem:
			/^Event triggers do not tell of changes of the schema: every TRUNCATE/,
		mend: "npx postern migrate",
		by: "command",
	},
	"an outbox that nothing prunes": {
		plant: run(
			"update postern.horizon set noted_at = clock_timestamp() - interval '4 hours'",
		),
		problem: /^the outbox was last pruned at /,
		mend: "select postern.prune()",
		by: "sql",
	},
	"a publication of an outbox that has no replica identity": {
		plant: run(
			"create publication everything for all tables; alter table postern.outbox replica identity default",
		),
		problem:
			"The outbox cannot be pruned: it is published by everything, and has no replica identity",
		mend: "alter table postern.outbox replica identity full",
		by: "sql",
	},
	"a pre-request function that the gateway may not call": {
		plant: async (world) => {
			await world.owner.query(`
				create schema hooks;
				grant usage on schema hooks to public;
				create function hooks.before_each() returns void language sql stable set search_path = '' begin atomic select; end;
				revoke execute on function hooks.before_each() from public;
				grant execute on function hooks.before_each() to anon, authenticated;
			`);
			await world.configure("PGRST_DB_PRE_REQUEST", "hooks.before_each");
		},
		problem:
			"PostgREST cannot serve the role postern: permission denied for function before_each",
		mend: 'grant execute on function hooks.before_each() to "postern"',
		by: "sql",
	},
	"a pre-request function that makes everything uncacheable": {
		plant: run(
			"create or replace function hooks.before_each() returns void language plpgsql stable set search_path = '' as 'begin perform 1; end'",
		),
		problem:
			/^Nothing is cached: PostgREST's pre-request function runs before every answer, and what hooks\.before_each\(\) reads is not known/,
		mend: "npx postern analyze",
		by: "command",
	},
	"a pre-request function that does not exist": {
		plant: configure("PGRST_DB_PRE_REQUEST", "hooks.missing"),
		problem:
			/^PostgREST cannot serve the role postern: function hooks\.missing\(\) does not exist/,
		mend: /^create the function that PostgREST's db-pre-request names/,
		by: "operator",
		operate: configure("PGRST_DB_PRE_REQUEST", "hooks.before_each"),
	},
	"a PostgREST that is not told to load the schema": {
		plant: configure("PGRST_DB_CHANNEL_ENABLED", "false"),
		problem: /^PostgREST has not loaded the schema as it is now/,
		mend: "db-channel-enabled = true",
		by: "postgrest",
	},
	"a clock of PostgREST's machine that is wrong": {
		plant: async (world) =>
			world.set(
				"ORIGIN_URL",
				await world.behind(() => ({
					date: new Date(Date.now() + 95_000).toUTCString(),
				})),
			),
		problem:
			/^The clock of PostgREST's machine is 9[3-7] s ahead of this machine's$/,
		mend: "set both clocks: timedatectl set-ntp true",
		by: "operator",
		operate: original("ORIGIN_URL"),
	},
	"an issuer whose keys cannot be fetched": {
		plant: async (world) => {
			const url = await world.serve(() => [404, "{}"]);
			world.set("ISSUERS", issuersOf({ issuer: "them", jwksUrl: url }));
		},
		problem: /^The keys of them cannot be fetched from .*: the answer is 404$/,
		mend: "set the URL of the issuer's key set: jwksUrl in ISSUERS",
		by: "operator",
		operate: set(
			"ISSUERS",
			issuersOf({ issuer: "them", secret: "s".repeat(32) }),
		),
	},
	"an issuer by another name than its own": {
		plant: async (world) => {
			const url: string = await world.serve((path) => [
				200,
				path === "/keys"
					? world.credentials.tokenJwks
					: JSON.stringify({ issuer: `${url}/` }),
			]);
			world.set("ISSUERS", issuersOf({ issuer: url, jwksUrl: `${url}/keys` }));
		},
		problem:
			/^ISSUERS names (\S+), which calls itself \1\/: none of its tokens is accepted$/,
		mend: /^set in ISSUERS: "issuer": "http:.*\/"$/,
		by: "operator",
		operate: (world) => world.unset("ISSUERS"),
	},
	"a database without the gateway's schema": {
		plant: run("drop schema postern cascade"),
		problem: "The database lacks the gateway's schema",
		mend: "npx postern migrate",
		by: "command",
	},
	"no tracked table": {
		plant: run("select postern.untrack('api.notes')"),
		problem: "No table is tracked: nothing is cached",
		mend: "npx postern track --schema api",
		by: "command",
	},
};

function issuersOf(entry: object): string {
	return JSON.stringify([{ audience: "app", ...entry }]);
}
