// The feed's storage, in a real Durable Object's SQLite: a stored state is loaded whole, or not at all.

import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it } from "vitest";
import type { ChangeFeed } from "../../src/feed/change-feed.ts";
import type { Change } from "../../src/feed/feed.ts";
import {
	createFeedStore,
	type FeedStore,
	type StoredFeed,
} from "../../src/feed/feed-store.ts";
import { ENV } from "../support/gateway.ts";

const STATE: StoredFeed = {
	feedEpoch: "e1",
	seq: 3,
	prunedBelow: 0,
	cursor: "1@2:2:",
	storedAt: 1_000,
	loadedSchemaSeq: 2,
};
const CHANGES: Change[] = [
	['api."a(b)"', 2],
	['api.t("é\u2028\n""")', 3],
];

// The object reads its configuration when it is constructed.
beforeAll(() => {
	Object.assign(env, ENV);
});

let objects = 0;

/** Runs in an object with empty storage. */
function inObject(
	work: (storage: DurableObjectStorage, open: () => FeedStore) => void,
): Promise<void> {
	const stub = env.CHANGE_FEED.getByName(`store ${objects++}`);
	return runInDurableObject(
		stub,
		(_: ChangeFeed, { storage }: DurableObjectState) =>
			work(storage, () => createFeedStore(storage)),
	);
}

const rowsIn = ({ sql }: DurableObjectStorage) =>
	sql.exec("select changes from changes").toArray().length;

describe("the feed's storage", () => {
	it("loads nothing before something was stored", () =>
		inObject((_, open) => {
			expect(open().load()).toBe(undefined);
		}));

	it("loads what another run of the object stored", () =>
		inObject((_, open) => {
			open().append(STATE, CHANGES);
			expect(open().load()).toEqual({ state: STATE, changes: CHANGES });
		}));

	it("appends changes in their order", () =>
		inObject((_, open) => {
			const store = open();
			store.append(STATE, CHANGES);
			const next = { ...STATE, seq: 4, loadedSchemaSeq: 0 };
			store.append(next, [["api.a", 4]]);
			expect(open().load()).toEqual({
				state: next,
				changes: [...CHANGES, ["api.a", 4]],
			});
		}));

	it("stores a state without changes", () =>
		inObject((_, open) => {
			const store = open();
			store.append(STATE, CHANGES);
			const next = { ...STATE, cursor: "1@9:9:" };
			store.append(next, []);
			expect(open().load()).toEqual({ state: next, changes: CHANGES });
		}));

	it("loads only what it was rewritten with", () =>
		inObject((storage, open) => {
			const store = open();
			store.append(STATE, CHANGES);
			const next = { ...STATE, feedEpoch: "e2" };
			store.rewrite(next, [["api.b", 1]]);
			expect([open().load(), rowsIn(storage)]).toEqual([
				{ state: next, changes: [["api.b", 1]] },
				1,
			]);
		}));

	it("stores all of a poll, or none of it", () =>
		inObject((storage, open) => {
			const store = open();
			store.append(STATE, CHANGES);
			storage.sql.exec(
				"create trigger full before insert on changes begin select raise(abort, 'full'); end",
			);
			const next = { ...STATE, seq: 4 };
			expect(() => store.append(next, [["api.a", 4]])).toThrow("full");
			expect(() => store.rewrite(next, [["api.a", 4]])).toThrow("full");
			expect(open().load()).toEqual({ state: STATE, changes: CHANGES });
		}));

	it("stores a state that is larger than a row", () =>
		inObject((storage, open) => {
			const text = "ж".repeat(600);
			const changes = Array.from(
				{ length: 3_000 },
				(_, at): Change => [`api.t("${text}${at}")`, at + 1],
			);
			open().append(STATE, changes);
			expect([open().load()?.changes, rowsIn(storage) > 1]).toEqual([
				changes,
				true,
			]);
		}));

	it("reports when the log has grown by a thousand rows", () =>
		inObject((_, open) => {
			const store = open();
			const grown = Array.from({ length: 1_001 }, () =>
				store.append(STATE, CHANGES),
			);
			expect([grown.indexOf(true), store.append(STATE, [])]).toEqual([
				1_000,
				true,
			]);
		}));

	it("counts the rows of earlier runs of the object", () =>
		inObject((_, open) => {
			const store = open();
			for (let count = 0; count < 1_000; count++) store.append(STATE, CHANGES);
			const next = open();
			next.load();
			expect(next.append(STATE, CHANGES)).toBe(true);
		}));

	it("reports when the log has grown by four million characters", () =>
		inObject((_, open) => {
			const store = open();
			const change: Change = ["x".repeat(1_000_000), 1];
			const grown = Array.from({ length: 4 }, () =>
				store.append(STATE, [change]),
			);
			expect(grown).toEqual([false, false, false, true]);
		}));

	it("counts from zero after it was rewritten", () =>
		inObject((_, open) => {
			const store = open();
			for (let count = 0; count < 1_000; count++) store.append(STATE, CHANGES);
			store.rewrite(STATE, CHANGES);
			expect(store.append(STATE, CHANGES)).toBe(false);
		}));

	it.each([
		"update state set state = '{'",
		`update state set state = '{"feedEpoch":"e1"}'`,
		// The form of version 0.1.
		`update state set state = '{"epoch":"e1","seq":3,"floor":0,"cursor":"1@2:2:","storedAt":1000,"catalog":null,"catalogChangedAt":null}'`,
		"update changes set changes = '[[1]]'",
		"update changes set changes = ''",
	])("throws when it loads after %s", (damage) =>
		inObject((storage, open) => {
			open().append(STATE, CHANGES);
			storage.sql.exec(damage);
			expect(() => open().load()).toThrow();
		}),
	);
});
