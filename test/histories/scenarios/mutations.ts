// Mutations that break a promise: changes of the Worker's sources or of a function or view in the database, each with the schedule
// that shows it.
import type pg from "pg";
import type { ViolationKind } from "../check/check.ts";
import { type Change, changed } from "./change.ts";
import type { FileChange } from "./mutated-bundle.ts";
import type { Scenario } from "./scenarios.ts";
import * as scenarios from "./scenarios.ts";

interface Mutation extends Change {
	readonly name: string;
	readonly scenario: Scenario;
	/** The kind of violation that the checker has to find. */
	readonly found: ViolationKind;
}

export type WorkerMutation = Mutation & FileChange;

/** A change of a function or view. */
export interface SqlChange extends Change {
	/** A query for the statement that defines it. */
	readonly of: string;
}

export type SqlMutation = Mutation & SqlChange;

export const WORKER_MUTATIONS: readonly WorkerMutation[] = [
	{
		name: "an entry is stamped with the view as it is after the origin was asked",
		file: "cache/cache.ts",
		from: "const response = await origin(limited, identity); const consistencyToken = freshness.consistencyTokenNow(); if (reason",
		to: `const response = await origin(limited, identity);
			const after = await freshness.view({ maxAgeMs: 60_000, consistencyTokens: [] });
			stamp.seq = after.seq;
			const consistencyToken = freshness.consistencyTokenNow(); if (reason`,
		scenario: scenarios.overtakenAnswer,
		found: "stale",
	},
	{
		name: "the claims that policies read are not in the key",
		file: "planner/cache-key.ts",
		from: "Object.entries(claims)",
		to: "[]",
		scenario: scenarios.sameUrl,
		found: "foreign",
	},
	{
		name: "the role is not in the key",
		file: "planner/cache-key.ts",
		from: "const caller = [role,",
		to: "const caller = [",
		scenario: scenarios.otherRole,
		found: "foreign",
	},
	{
		name: "the feed is not asked after a write",
		file: "cache/cache.ts",
		from: "await freshness.afterWrite()",
		to: "(await freshness.view({ maxAgeMs: 60_000, consistencyTokens: [] })).consistencyToken",
		scenario: scenarios.ownWrite,
		found: "session",
	},
	{
		name: "a poll that was running when a write was done satisfies its token",
		file: "feed/polls.ts",
		from: "return nextPoll(); if (now() - asOf <= maxAgeMs) return true;",
		to: "return running ?? nextPoll(); if (now() - asOf <= maxAgeMs) return true;",
		scenario: scenarios.pollUnderWay,
		found: "session",
	},
	{
		name: "a snapshot shows transactions that began after it",
		file: "consistency/consistency-token.ts",
		from: "Number(transaction) < Number(end) &&",
		to: "",
		scenario: scenarios.ownTransactionElsewhere,
		found: "session",
	},
	{
		name: "a snapshot shows transactions that were running",
		file: "consistency/consistency-token.ts",
		from: '&& !running.split(",").includes(transaction)',
		to: "",
		scenario: scenarios.overtakenWrite,
		found: "session",
	},
	{
		name: "consistency tokens are ignored",
		file: "consistency/view.ts",
		from: "consistencyTokens.every((token) => covers(position, token));",
		to: "true;",
		scenario: scenarios.ownWriteElsewhere,
		found: "session",
	},
	{
		name: "an answer of the origin has the token of the view",
		file: "cache/cache.ts",
		from: "const consistencyToken = freshness.consistencyTokenNow(); if (reason",
		to: "const consistencyToken = view.consistencyToken; if (reason",
		scenario: scenarios.seenElsewhere,
		found: "session",
	},
	{
		name: "an answer of the cache has the token of the view alone",
		file: "cache/entry-freshness.ts",
		from: "return isCovered(entry, view) ? [view.consistencyToken]",
		to: "return true ? [view.consistencyToken]",
		scenario: scenarios.seenAhead,
		found: "session",
	},
	{
		name: "an answer by policies that are newer than its plan is given to others",
		file: "cache/from-store.ts",
		from: "entry.reader === (await readerOf(identity, request))",
		to: "true",
		scenario: scenarios.policyTellsApart,
		found: "foreign",
	},
	{
		name: "the age of the view is ignored",
		file: "consistency/view.ts",
		from: "now() - asOf <= maxAgeMs && consistencyTokens",
		to: "consistencyTokens",
		scenario: scenarios.feedOutOfReach,
		found: "stale",
	},
	{
		name: "what policies read is not in the tags",
		file: "planner/dependencies.ts",
		from: "root.tags : one.reads) tags.add(tag)",
		to: "root.tags : one.reads) if (tag.startsWith(one.tag)) tags.add(tag)",
		scenario: scenarios.leftTeam,
		found: "stale",
	},
	{
		name: "changes of the catalog are not in the tags",
		file: "planner/dependencies.ts",
		from: "new Set([CATALOG_TAG])",
		to: "new Set()",
		scenario: scenarios.changedPolicy,
		found: "stale",
	},
	{
		name: "a read by key does not depend on changes of any row",
		file: "planner/row-tags.ts",
		from: "rowTag(tag, values), anyRowTag(tag)]",
		to: "rowTag(tag, values)]",
		scenario: scenarios.manyRows,
		found: "stale",
	},
	{
		name: "an embedded relation is not in the tags",
		file: "planner/dependencies.ts",
		from: "this.#members.add(member);",
		to: "",
		scenario: scenarios.embeddedWrite,
		found: "stale",
	},
	{
		name: "feed epochs are not compared",
		file: "cache/entry-freshness.ts",
		from: "entry.feedEpoch === view.feedEpoch &&",
		to: "",
		scenario: scenarios.lostObject,
		found: "stale",
	},
	{
		name: "what comes from KV is not compared with the view",
		file: "cache/from-store.ts",
		from: "if (!isGood(stored, read)) return { isStale: true };",
		to: "",
		scenario: scenarios.oldInKv,
		found: "stale",
	},
	{
		name: "what was stored of the feed is current when it is restored",
		file: "feed/polls.ts",
		from: "if (cursor === undefined || found.isReset)",
		to: "if (asOf === NEVER && state.stored) state.moveTo(found.cursor); else if (cursor === undefined || found.isReset)",
		scenario: scenarios.evictedObject,
		found: "stale",
	},
];

export const functionOf = (oid: string) =>
	`select pg_get_functiondef(${oid}) as definition`;

const OUTBOX_WRITERS = functionOf("'postern.outbox_writer_source'::regproc");

const AFTER_DDL = functionOf("'postern.write_outbox_after_ddl'::regproc");

/** An event trigger that does not tell of a command. */
const untold = (
	command: string,
	deed: string,
	scenario: Scenario,
): SqlMutation => ({
	name: `${command} that ${deed} is not logged`,
	of: AFTER_DDL,
	from: "if tg_tag in ('CREATE INDEX', 'REINDEX', 'COMMENT')",
	to: `if tg_tag in ('CREATE INDEX', 'REINDEX', 'COMMENT', '${command}')`,
	scenario,
	found: "stale",
});

/** digest.sql without what it has of roles. */
export const NO_ROLES_IN_DIGEST: SqlChange = {
	of: functionOf("'postern.digest'::regproc"),
	to: "",
	from: `
	(select string_agg(concat_ws(' ', oid, rolname, rolsuper, rolinherit, rolbypassrls), ',' order by oid) from pg_catalog.pg_roles),
	(select string_agg(concat_ws(' ', roleid, member, xmin), ',' order by roleid, member, xmin::text) from pg_catalog.pg_auth_members),
	(select string_agg(concat_ws(' ', setdatabase, setrole, xmin), ',' order by setdatabase, setrole) from pg_catalog.pg_db_role_setting),
	-- A membership or setting that was granted and revoked between two polls has left no row. PostgreSQL counts it within 10 s.
	postern.count_of_changes('pg_catalog.pg_authid'),
	postern.count_of_changes('pg_catalog.pg_auth_members'),
	postern.count_of_changes('pg_catalog.pg_db_role_setting'),`,
};

export const SQL_MUTATIONS: readonly SqlMutation[] = [
	{
		name: "an update is not logged",
		of: OUTBOX_WRITERS,
		from: "where cardinality(changed.keys) > 0;",
		to: "where cardinality(changed.keys) > 0 and tg_op <> ''UPDATE'';",
		scenario: scenarios.writeInSql,
		found: "stale",
	},
	{
		name: "a deletion is not logged",
		of: OUTBOX_WRITERS,
		from: "where cardinality(changed.keys) > 0;",
		to: "where cardinality(changed.keys) > 0 and tg_op <> ''DELETE'';",
		scenario: scenarios.cascade,
		found: "stale",
	},
	{
		name: "TRUNCATE is not logged",
		of: functionOf("'postern.write_outbox_truncate'::regproc"),
		from: "values (textin(oidout(tg_relid)), '{*}');",
		to: "select textin(oidout(tg_relid)), '{*}' where false;",
		scenario: scenarios.manyRows,
		found: "stale",
	},
	{
		name: "an update logs the new key alone",
		of: OUTBOX_WRITERS,
		from: "from old_rows as this'",
		to: "from old_rows as this where false'",
		scenario: scenarios.movedRow,
		found: "stale",
	},
	{
		name: "changes are read after the last transaction id, not after the last snapshot",
		of: functionOf("'postern.changes_since'::regproc"),
		from: "where outbox.xid = any (array(select pg_snapshot_xip(since))) and",
		to: "where false and",
		scenario: scenarios.lateCommit,
		found: "stale",
	},
	{
		name: "a poll passes over the transactions that were running at the last one",
		of: functionOf("'postern.changes_since'::regproc"),
		from: "or exists (select from postern.outbox where outbox.xid = any (array(select pg_snapshot_xip(since))))",
		to: "",
		scenario: scenarios.lateCommit,
		found: "stale",
	},
	{
		name: "REFRESH MATERIALIZED VIEW is not logged",
		of: AFTER_DDL,
		from: "from unnest(touched) as refreshed;",
		to: "from unnest(touched) as refreshed where false;",
		scenario: scenarios.refreshed,
		found: "stale",
	},
	{
		name: "a changed policy is not logged",
		of: AFTER_DDL,
		from: "if tg_tag in ('CREATE INDEX', 'REINDEX', 'COMMENT') or",
		to: "if tg_tag in ('CREATE INDEX', 'REINDEX', 'COMMENT', 'ALTER POLICY') or",
		scenario: scenarios.changedPolicy,
		found: "stale",
	},
	untold("ALTER TABLE", "renames a table", scenarios.swappedTables),
	untold("ALTER TABLE", "renames a column", scenarios.swappedColumns),
	untold("ALTER VIEW", "renames a view", scenarios.swappedViews),
	{
		name: "a membership of roles is not in the digest",
		...NO_ROLES_IN_DIGEST,
		scenario: scenarios.lostMembership,
		found: "stale",
	},
	{
		name: "an attribute of a role is not in the digest",
		...NO_ROLES_IN_DIGEST,
		scenario: scenarios.ownerObeysPolicies,
		found: "stale",
	},
	{
		name: "an owner is not in the digest",
		of: functionOf("'postern.digest'::regproc"),
		from: "and owned.objsubid = 0",
		to: "and false",
		scenario: scenarios.otherOwner,
		found: "stale",
	},
	{
		name: "policies for other roles than PUBLIC do not count",
		of: functionOf("'postern.dependencies'::regproc"),
		from: "where class.relrowsecurity",
		to: "where policy.polroles = '{0}' and class.relrowsecurity",
		scenario: scenarios.membersApart,
		found: "foreign",
	},
];

const EVENT_TRIGGERS = ["postern_after_ddl", "postern_after_drop"];

/** Replaces a function or view without the event triggers, which would log it. @returns a function that restores it */
export async function changeInDatabase(
	client: pg.Client,
	mutation: SqlChange,
): Promise<() => Promise<void>> {
	const { rows } = await client.query<{ definition: string }>(mutation.of);
	const [{ definition } = { definition: "" }] = rows;
	const define = async (text: string) => {
		await client.query("begin");
		for (const name of EVENT_TRIGGERS)
			await client.query(`alter event trigger ${name} disable`);
		await client.query(text);
		await client.query(
			"select postern.make_outbox_writers(relation) from postern.tracked_relations",
		);
		for (const name of EVENT_TRIGGERS)
			await client.query(`alter event trigger ${name} enable always`);
		await client.query("commit");
	};
	await define(changed(definition, mutation));
	return () => define(definition);
}
