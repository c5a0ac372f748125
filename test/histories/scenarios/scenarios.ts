// Schedules in which a fault of one kind shows at once if the gateway has it. Without the fault each is a normal history.
import { setTimeout as sleep } from "node:timers/promises";
import { CROWD, POLICIES } from "../database/row-values.ts";
import {
	BYPASS_POLICIES,
	CHANGE_OWNER,
	GRANT_MEMBERSHIP,
	OBEY_POLICIES,
	RESTORE_OWNER,
	REVOKE_MEMBERSHIP,
	SWAP_COLUMNS,
	SWAP_SCHEMAS,
	SWAP_TABLES,
	SWAP_VIEWS,
} from "../database/schema-changes.ts";
import type { SqlWrite } from "../database/transact.ts";
import type { Passing } from "../faults/link.ts";
import type { Stage } from "./stage.ts";

export type Scenario = (stage: Stage) => Promise<void>;

let last = 1_000;
/** A value that no other write has. */
function newValue(): number {
	last += 1;
	return last;
}

const sqlWrite = (table: string, id: number) =>
	`update api.${table} set value = ${newValue()} where id = ${id}`;

const patch = (path: string) => ({
	method: "PATCH" as const,
	path,
	body: { value: newValue() },
	hasEffect: true,
});

function policy(variant: number): string {
	const condition = POLICIES[variant]?.replaceAll("'", "''");
	return `select histories.change_policy(${variant}, '${condition}')`;
}

const isPoll = ({ path }: Passing) => path.endsWith("/changes_since");

/** The rows of an answer change while the answer is on its way from the origin. */
export const overtakenAnswer: Scenario = async (stage) => {
	await stage.warm("/boards?id=eq.2");
	const { promise: arrival, resolve: arrive } = Promise.withResolvers<"pass">();
	const asked = Promise.withResolvers<void>();
	stage.isolate(0).originLink.inject(
		{
			of: ({ path }) => path.includes("id=eq.1"),
			onAnswer: () => {
				asked.resolve();
				return arrival;
			},
		},
		1,
	);
	const reading = stage.read("/boards?id=eq.1");
	await asked.promise;
	await stage.sql(sqlWrite("boards", 1));
	await stage.refresh();
	arrive("pass");
	await reading;
	await stage.outwait();
	await stage.read("/boards?id=eq.1");
};

/** A writer in SQL changes a row that is cached. */
export const writeInSql: Scenario = async (stage) => {
	await stage.warm("/boards?id=eq.3");
	await stage.sql(sqlWrite("boards", 3));
	await stage.outwait();
	await stage.read("/boards?id=eq.3");
};

/** Two callers who see different rows ask for the same URL. */
export const sameUrl: Scenario = async (stage) => {
	await stage.warm("/notes?order=id", { as: "ada" });
	await stage.read("/notes?order=id", { as: "bob" });
	await stage.warm("/tenant_notes?order=id", { as: "bob" });
	await stage.read("/tenant_notes?order=id", { as: "cyd" });
};

/** An anonymous caller asks for the same URL as a user. */
export const otherRole: Scenario = async (stage) => {
	await stage.warm("/late?order=id", { as: "ada" });
	await stage.read("/late?order=id", { as: "anonymous" });
};

/** A transaction commits after others that began later. */
export const lateCommit: Scenario = async (stage) => {
	const commit = await stage.begin(sqlWrite("late", 1));
	await stage.warm("/late?id=eq.1", { as: "ada" });
	await stage.sql(sqlWrite("boards", 4));
	await stage.refresh();
	await commit();
	await stage.outwait();
	await stage.read("/late?id=eq.1", { as: "ada" });
};

/** A session writes, and reads through the same isolate. */
export const ownWrite: Scenario = async (stage) => {
	const session = stage.session("ada");
	await stage.warm("/boards?id=eq.5", { session, as: "ada" });
	await stage.write(session, patch("/boards?id=eq.5"));
	await stage.read("/boards?id=eq.5", { session, as: "ada" });
};

/** A session writes during a poll for another reader, and reads. */
export const pollUnderWay: Scenario = async (stage) => {
	const session = stage.session("ada");
	const path =
		"/authors?select=id,value,books(id,value)&order=id&books.order=id";
	await stage.warm(path, { session, as: "ada" });
	const polled = Promise.withResolvers<void>();
	const { promise: arrival, resolve: arrive } = Promise.withResolvers<"pass">();
	stage.cluster.feed.pollLink.inject(
		{
			of: isPoll,
			onAnswer: () => {
				polled.resolve();
				return arrival;
			},
		},
		1,
	);
	// The other isolate asks the feed.
	const other = stage.refresh(1);
	await polled.promise;
	const written = stage.write(session, patch("/authors?id=eq.1"));
	await sleep(100);
	arrive("pass");
	await Promise.all([written, other]);
	await stage.read(path, { session, as: "ada" });
};

/** A session writes, and reads through another isolate. */
export const ownWriteElsewhere: Scenario = async (stage) => {
	const session = stage.session("ada");
	await stage.warm("/boards?id=eq.6", { at: 1, as: "ada" });
	await stage.write(session, patch("/boards?id=eq.6"), { at: 0 });
	await stage.read("/boards?id=eq.6", { session, at: 1, as: "ada" });
};

/** The same, where the database names the write's transaction, and the other isolate has heard of nothing since. */
export const ownTransactionElsewhere: Scenario = async (stage) => {
	const session = stage.session("ada");
	await stage.warm("/boards?id=eq.6", { as: "ada" });
	await stage.write(session, patch("/boards?id=eq.6"), { at: 1 });
	await stage.read("/boards?id=eq.6", { session, as: "ada" });
};

/** A write waits for a lock while later transactions end and are polled. Then its session reads through another isolate. */
export const overtakenWrite: Scenario = async (stage) => {
	const session = stage.session("ada");
	await stage.warm("/boards?id=eq.6", { as: "ada" });
	const commit = await stage.begin(sqlWrite("boards", 6));
	const written = stage.write(session, patch("/boards?id=eq.6"), { at: 1 });
	await sleep(200);
	await stage.sql(sqlWrite("late", 1));
	await stage.refresh();
	await commit();
	await written;
	await stage.read("/boards?id=eq.6", { session, as: "ada" });
};

/** A session sees a write in SQL, and reads through another isolate. */
export const seenElsewhere: Scenario = async (stage) => {
	const session = stage.session("ada");
	await stage.warm("/boards?id=eq.7", { at: 1 });
	await stage.refresh(0);
	await stage.refresh(1);
	await stage.sql(sqlWrite("boards", 7));
	await stage.read("/boards?id=eq.7", { session, at: 0 });
	await stage.read("/boards?id=eq.7", { session, at: 1 });
};

/** A session gets from the cache a write that the feed has not reported yet, and reads through another isolate. */
export const seenAhead: Scenario = async (stage) => {
	const session = stage.session("ada");
	await stage.warm("/parts?id=eq.3&part=eq.1", { at: 1 });
	await stage.refresh(0);
	await stage.refresh(1);
	await stage.sql(sqlWrite("parts", 3));
	await stage.read("/parts?id=eq.3&part=eq.1", { at: 0 });
	await stage.read("/parts?id=eq.3&part=eq.1", { session, at: 0 });
	await stage.read("/parts?id=eq.3&part=eq.1", { session, at: 1 });
};

/** Another isolate finds an outdated entry in KV. */
export const oldInKv: Scenario = async (stage) => {
	stage.cluster.kv.isDown = false;
	// Before an isolate knows the catalog it stores nothing, and reads nothing from KV.
	for (const at of [0, 1] as const) await stage.warm("/boards?id=eq.8", { at });
	const paths = [1, 2, 3, 4, 5, 6, 7, 8].map((id) => `/notes?id=eq.${id}`);
	for (const path of paths)
		for (const as of ["ada", "bob", "cyd"]) await stage.read(path, { as });
	await stage.sql(`update api.notes set value = ${newValue()}`);
	await stage.outwait();
	for (const path of paths)
		for (const as of ["ada", "bob", "cyd"])
			await stage.read(path, { as, at: 1 });
};

/** An isolate cannot reach the feed. */
export const feedOutOfReach: Scenario = async (stage) => {
	await stage.warm("/boards?id=eq.8");
	stage.isolate(0).feedLink.inject({ onRequest: () => "cut" });
	await stage.sql(sqlWrite("boards", 8));
	await stage.outwait();
	await stage.read("/boards?id=eq.8");
};

/** A policy reads another table, which changes. */
export const leftTeam: Scenario = async (stage) => {
	await stage.sql(
		"delete from api.members where user_name = 'ada'",
		"insert into api.members values ('ada', 'north')",
	);
	await stage.warm("/documents?order=id", { as: "ada" });
	await stage.sql("delete from api.members where user_name = 'ada'");
	await stage.outwait();
	await stage.read("/documents?order=id", { as: "ada" });
};

/** An embedded row changes, and the row that embeds it does not. */
export const embeddedWrite: Scenario = async (stage) => {
	const path =
		"/parents?select=id,value,children(id,value)&order=id&children.order=id";
	await stage.warm(path);
	await stage.sql(sqlWrite("children", 1));
	await stage.outwait();
	await stage.read(path);
};

/** A row is deleted with the row that it references. */
export const cascade: Scenario = async (stage) => {
	const path = "/children?select=id,value&order=id";
	await stage.sql(
		"delete from api.parents where id = 1",
		`insert into api.parents values (1, ${newValue()})`,
		`insert into api.children values (100, 1, ${newValue()})`,
	);
	await stage.warm(path);
	await stage.sql("delete from api.parents where id = 1");
	await stage.outwait();
	await stage.read(path);
};

/** A function writes both tables of a view. */
export const viewOfTwo: Scenario = async (stage) => {
	await stage.warm("/pairs?order=id");
	await stage.sql(`select api.set_pair(1, ${newValue()})`);
	await stage.outwait();
	await stage.read("/pairs?order=id");
};

/** More rows change than the outbox names, and then all are truncated. */
export const manyRows: Scenario = async (stage) => {
	await stage.sql(
		"delete from api.crowd",
		`insert into api.crowd select id, ${newValue()} from generate_series(1, ${CROWD}) as id`,
	);
	await stage.warm("/crowd?id=eq.30");
	await stage.sql(`update api.crowd set value = ${newValue()}`);
	await stage.outwait();
	await stage.read("/crowd?id=eq.30");
	await stage.warm("/crowd?id=eq.30");
	await stage.sql("truncate api.crowd");
	await stage.outwait();
	await stage.read("/crowd?id=eq.30");
};

/** The policy of a table changes. */
export const changedPolicy: Scenario = async (stage) => {
	const path = "/guarded?order=id";
	await stage.sql(policy(0));
	await stage.warm(path, { as: "ada" });
	// Both read the same claims.
	await stage.sql(policy(2));
	await stage.outwait();
	await stage.read(path, { as: "ada" });
};

/** A changed policy tells two callers apart that shared answers, before the gateway knows of the change. */
export const policyTellsApart: Scenario = async (stage) => {
	// By tenant, which ada and bob share.
	await stage.sql(policy(1));
	await stage.warm("/guarded?order=id", { as: "ada" });
	await stage.refresh();
	// By owner.
	await stage.sql(policy(0));
	await stage.read("/guarded?id=eq.3", { as: "ada" });
	await stage.read("/guarded?id=eq.3", { as: "bob" });
};

/** A row gets another key. */
export const movedRow: Scenario = async (stage) => {
	await stage.sql(
		"delete from api.parts where id in (1, 100)",
		"insert into api.parts values (1, 1, 0)",
	);
	await stage.warm("/parts?id=eq.1&part=eq.1");
	await stage.sql("update api.parts set id = 100 where id = 1");
	await stage.outwait();
	await stage.read("/parts?id=eq.1&part=eq.1");
};

/** A materialized view is refreshed. */
export const refreshed: Scenario = async (stage) => {
	await stage.warm("/totals");
	await stage.sql(sqlWrite("boards", 1), "select histories.refresh()");
	await stage.outwait();
	await stage.read("/totals");
};

/** The feed's object loses its storage, and a row changes meanwhile. */
export const lostObject: Scenario = async (stage) => {
	// So that its numbers are higher than the next object's.
	for (let count = 0; count < 3; count += 1) {
		await stage.sql(sqlWrite("late", 2));
		await stage.refresh();
	}
	await stage.warm("/late?id=eq.3", { as: "ada" });
	await stage.sql(sqlWrite("late", 3));
	await stage.cluster.feed.lose();
	await stage.outwait();
	await stage.read("/late?id=eq.3", { as: "ada" });
};

/** The feed's object is evicted, and a row changes before it is back. */
export const evictedObject: Scenario = async (stage) => {
	await stage.warm("/late?id=eq.4", { as: "ada" });
	const { pollLink } = stage.cluster.feed;
	const end = pollLink.inject({ of: isPoll, onRequest: () => "cut" });
	await stage.sql(sqlWrite("late", 4));
	await stage.cluster.feed.restart();
	end();
	await stage.outwait();
	await stage.read("/late?id=eq.4", { as: "ada" });
};

/** A membership that shows ada her own rows ends. */
export const lostMembership: Scenario = async (stage) => {
	await stage.sql(...GRANT_MEMBERSHIP);
	await stage.warm("/vaults?order=id", { as: "ada" });
	await stage.sql(...REVOKE_MEMBERSHIP);
	await stage.outwait();
	await stage.read("/vaults?order=id", { as: "ada" });
};

/** A membership shows two callers their own rows of a table that both ask for. */
export const membersApart: Scenario = async (stage) => {
	await stage.sql(...GRANT_MEMBERSHIP);
	await stage.warm("/vaults?order=id", { as: "ada" });
	for (const as of ["bob", "cyd", "anonymous"])
		await stage.read("/vaults?order=id", { as });
};

/** The owner of a view has to obey the policies of its table again. */
export const ownerObeysPolicies: Scenario = async (stage) => {
	await stage.sql(...RESTORE_OWNER);
	await stage.sql(...BYPASS_POLICIES);
	await stage.warm("/opened?order=id");
	await stage.sql(...OBEY_POLICIES);
	await stage.outwait();
	await stage.read("/opened?order=id");
};

/** The owner of a view is another, who may see less. */
export const otherOwner: Scenario = async (stage) => {
	await stage.sql(...RESTORE_OWNER);
	// Counted some seconds later, as is usual, the change of the role would alter the digest, and so hide a change of the owner that is
	// missing there.
	await stage.sql(...BYPASS_POLICIES, "select pg_stat_force_next_flush()");
	await stage.outwait();
	await stage.warm("/opened?order=id");
	await stage.sql(...CHANGE_OWNER);
	await stage.outwait();
	await stage.read("/opened?order=id");
};

/** Two of a kind swap their names, and then rows may change. */
const swapped =
	(statements: SqlWrite, path: string, ...writes: string[]): Scenario =>
	async (stage) => {
		await stage.warm(path);
		await stage.sql(...statements);
		if (writes.length > 0) await stage.sql(...writes);
		await stage.outwait();
		await stage.read(path);
	};

const updateOf = (table: string) =>
	`update ${table} set value = ${newValue()} where id = 1`;

export const swappedTables = swapped(SWAP_TABLES, "/swap_one?order=id");
export const swappedAndWritten = swapped(
	SWAP_TABLES,
	"/swap_one?order=id",
	updateOf("api.swap_one"),
);
export const swappedColumns = swapped(SWAP_COLUMNS, "/columned?order=id");
export const swappedSchemas = swapped(
	SWAP_SCHEMAS,
	"/items_a?order=id",
	updateOf("inner_b.items"),
);
export const swappedViews = swapped(SWAP_VIEWS, "/low_boards?order=id");
