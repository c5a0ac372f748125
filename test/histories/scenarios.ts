// Schedules in which a fault of one kind, if the gateway has it, shows at once. Without it, each is a history like others.
import { setTimeout as sleep } from "node:timers/promises";
import type { Passing } from "./link.ts";
import { CROWD, POLICIES } from "./schema.ts";
import type { Stage } from "./stage.ts";

export type Scenario = (stage: Stage) => Promise<void>;

let last = 1_000;
/** No two writes have the same. */
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

/** The answer of the origin is under way while what it says changes. */
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

/** Somebody writes past the gateway. */
export const writeInSql: Scenario = async (stage) => {
	await stage.warm("/boards?id=eq.3");
	await stage.sql(sqlWrite("boards", 3));
	await stage.outwait();
	await stage.read("/boards?id=eq.3");
};

/** Two ask for the same, and may not see the same. */
export const sameUrl: Scenario = async (stage) => {
	await stage.warm("/notes?order=id", { as: "ada" });
	await stage.read("/notes?order=id", { as: "bob" });
	await stage.warm("/tenant_notes?order=id", { as: "bob" });
	await stage.read("/tenant_notes?order=id", { as: "cyd" });
};

/** Nobody asks for the same as somebody. */
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

/** Somebody writes, and looks. */
export const ownWrite: Scenario = async (stage) => {
	const session = stage.session("ada");
	await stage.warm("/boards?id=eq.5", { session, as: "ada" });
	await stage.write(session, patch("/boards?id=eq.5"));
	await stage.read("/boards?id=eq.5", { session, as: "ada" });
};

/** Somebody writes while the database is being polled for somebody else, and looks. */
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
	// The other isolate asks.
	const other = stage.refresh(1);
	await polled.promise;
	const written = stage.write(session, patch("/authors?id=eq.1"));
	await sleep(100);
	arrive("pass");
	await Promise.all([written, other]);
	await stage.read(path, { session, as: "ada" });
};

/** Somebody writes, and looks elsewhere. */
export const ownWriteElsewhere: Scenario = async (stage) => {
	const session = stage.session("ada");
	await stage.warm("/boards?id=eq.6", { at: 1, as: "ada" });
	await stage.write(session, patch("/boards?id=eq.6"), { at: 0 });
	await stage.read("/boards?id=eq.6", { session, at: 1, as: "ada" });
};

/** Somebody is shown what another wrote past the gateway, and looks elsewhere. */
export const seenElsewhere: Scenario = async (stage) => {
	const session = stage.session("ada");
	await stage.warm("/boards?id=eq.7", { at: 1 });
	await stage.refresh(0);
	await stage.refresh(1);
	await stage.sql(sqlWrite("boards", 7));
	await stage.read("/boards?id=eq.7", { session, at: 0 });
	await stage.read("/boards?id=eq.7", { session, at: 1 });
};

/** Somebody is shown by the cache what it learnt before the feed said so, and looks elsewhere. */
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

/** Another isolate finds in KV what is not right any more. */
export const oldInKv: Scenario = async (stage) => {
	stage.cluster.kv.isDown = false;
	const paths = [1, 2, 3, 4, 5, 6, 7, 8].map((id) => `/notes?id=eq.${id}`);
	for (const path of paths)
		for (const as of ["ada", "bob", "cyd"]) await stage.read(path, { as });
	await stage.sql(`update api.notes set value = ${newValue()}`);
	await stage.outwait();
	for (const path of paths)
		for (const as of ["ada", "bob", "cyd"])
			await stage.read(path, { as, at: 1 });
};

/** Nobody tells the isolate anything. */
export const feedOutOfReach: Scenario = async (stage) => {
	await stage.warm("/boards?id=eq.8");
	stage.isolate(0).feedLink.inject({ onRequest: () => "cut" });
	await stage.sql(sqlWrite("boards", 8));
	await stage.outwait();
	await stage.read("/boards?id=eq.8");
};

/** What decides who may see a row is in another table. */
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

/** What is embedded changes, and what it is embedded in does not. */
export const embeddedWrite: Scenario = async (stage) => {
	const path =
		"/parents?select=id,value,children(id,value)&order=id&children.order=id";
	await stage.warm(path);
	await stage.sql(sqlWrite("children", 1));
	await stage.outwait();
	await stage.read(path);
};

/** A row goes with the one that it belongs to. */
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

/** A view over two tables, by a function that writes both. */
export const viewOfTwo: Scenario = async (stage) => {
	await stage.warm("/pairs?order=id");
	await stage.sql(`select api.set_pair(1, ${newValue()})`);
	await stage.outwait();
	await stage.read("/pairs?order=id");
};

/** More rows than are named change, and all go. */
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

/** The rights to a table change. */
export const changedPolicy: Scenario = async (stage) => {
	const path = "/guarded?order=id";
	await stage.sql(policy(0));
	await stage.warm(path, { as: "ada" });
	// Both read the same claims.
	await stage.sql(policy(2));
	await stage.outwait();
	await stage.read(path, { as: "ada" });
};

/** Two who were alike to a table's policy are not any more, and nobody knows yet. */
export const policyTellsApart: Scenario = async (stage) => {
	// By tenant: that of ada and of bob is the same.
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

/** The object of the feed forgets all that it knew, and what changes meanwhile. */
export const lostObject: Scenario = async (stage) => {
	// So that its numbers are higher than those of the next one.
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

/** The object of the feed is evicted, and something changes before it is back. */
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
