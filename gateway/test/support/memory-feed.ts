// The change feed of a database in memory. It answers as the Durable Object does: one poll at a time, numbered when it finds a change.

import {
	covers,
	toConsistencyToken,
} from "../../src/consistency/consistency-token.ts";
import { catalogParts } from "../../src/feed/catalog-parts.ts";
import type {
	CatalogAnswer,
	Change,
	Feed,
	SyncAnswer,
	SyncRequest,
} from "../../src/feed/feed.ts";
import { CATALOG_TAG } from "../../src/feed/tag.ts";
import { catalogOf, table } from "./catalog.ts";

type Following = Extract<SyncAnswer, { state: "following" }>;

/** Of the database. */
const INCARNATION = "0123456789abcdef";
const FIRST_TRANSACTION = 3;

interface FeedOptions {
	/** The object's clock, in milliseconds. */
	now: () => number;
	/** How long a poll takes to reach the database, and its answer to come back. */
	pause?: () => Promise<void>;
	/** Nothing is tracked. */
	isAbsent?: boolean;
	/** As JSON. */
	catalog?: object;
}

/** A table that every caller may read, and one that is not cacheable. */
const CATALOG = catalogOf({
	relations: [
		table("notes", {
			id: "bigint",
			title: "text",
			body: "text",
			stars: "integer",
		}),
		table("ledger", { id: "bigint" }, { reasons: ["ledger is not tracked"] }),
	],
});

/** The cursor of a poll. Its digest is the number that the poll gave. */
export function cursorAt(
	seq: number,
	nextTransaction = FIRST_TRANSACTION,
	running: Iterable<number> = [],
): string {
	return `${INCARNATION}@${FIRST_TRANSACTION}:${nextTransaction}:${[...running]}@${seq}`;
}

/** A feed that records its requests, with `commit` to change its database. */
export function startFeed({
	now,
	pause = async () => {},
	isAbsent = false,
	catalog = CATALOG,
}: FeedOptions) {
	const requests: SyncRequest[] = [];
	const lastChange = new Map<string, number>();
	const unpolled: string[] = [];
	let feedEpoch = "epoch1";
	let runs = 1;
	let seq = 0;
	let asOf = Number.NEGATIVE_INFINITY;
	let cursor = "";
	let nextTransaction = FIRST_TRANSACTION;
	const transactions = new Set<number>();
	let running: Promise<void> | undefined;
	let queued: Promise<void> | undefined;

	const objectRun = () => `objectRun${runs}`;

	async function poll(): Promise<void> {
		const ownRun = objectRun();
		const began = Math.max(now(), asOf + 1);
		await pause();
		const tags = unpolled.splice(0);
		if (tags.length > 0) seq++;
		cursor = cursorAt(seq, nextTransaction, transactions);
		for (const tag of tags) lastChange.set(tag, seq);
		await pause();
		if (ownRun === objectRun()) asOf = began;
	}

	/** A poll that begins after the call. Calls that wait share it. */
	function nextPoll(): Promise<void> {
		queued ??= (async () => {
			await running;
			queued = undefined;
			running = poll();
			await running;
		})();
		return queued;
	}

	function answer({ known }: SyncRequest): Following {
		const isWhole = known?.feedEpoch !== feedEpoch;
		const changes = [...lastChange].filter(
			([, at]) => isWhole || at > (known?.seq ?? 0),
		) satisfies Change[];
		return {
			state: "following",
			...{
				feedEpoch,
				seq,
				prunedBelow: 0,
				objectRun: objectRun(),
				asOf,
				now: now(),
				cursor,
			},
			...{ changes, isWhole, isSchemaLoaded: true },
		};
	}

	const feed: Feed = {
		async sync(request) {
			requests.push(request);
			if (isAbsent) return { state: "absent", reason: "nothing is tracked" };
			const { maxAgeMs, consistencyTokens = [] } = request;
			const position = { feedEpoch, objectRun: objectRun(), asOf, cursor };
			const isGood =
				maxAgeMs > 0 &&
				now() - asOf <= maxAgeMs &&
				consistencyTokens.every((token) => covers(position, token));
			if (!isGood) await nextPoll();
			// A restart loses the requests under way.
			if (position.objectRun !== objectRun())
				throw new Error("the object was restarted");
			return answer(request);
		},
		catalog: async (): Promise<CatalogAnswer> => ({
			feedEpoch,
			seq,
			catalog: catalogParts(catalog),
		}),
	};
	return {
		...feed,
		requests,
		/** What the object knows, while it cannot poll. */
		answerWithoutPoll: (request: SyncRequest): SyncAnswer => ({
			...answer(request),
			asOf: Math.max(0, asOf),
			failure: "origin-unreachable",
		}),
		/** Begins a transaction. @returns its name, and a function that ends it */
		begin() {
			const transaction = nextTransaction++;
			transactions.add(transaction);
			return {
				name: `${INCARNATION}.${transaction}`,
				end: () => transactions.delete(transaction),
			};
		},
		/** Commits a change, which later polls find. */
		commit(tag: string) {
			unpolled.push(tag);
		},
		/** Commits another schema, or other policies. */
		migrate(next: object) {
			catalog = next;
			unpolled.push(CATALOG_TAG);
		},
		/** Restarts the object from its storage. */
		restart() {
			runs++;
			asOf = Number.NEGATIVE_INFINITY;
		},
		/** The object's storage is lost, or the database is another. */
		beginEpoch() {
			feedEpoch += "x";
			seq = 0;
			cursor = "";
			lastChange.clear();
			unpolled.length = 0;
			this.restart();
		},
		/** The token of the last poll. */
		consistencyToken: () =>
			toConsistencyToken({ feedEpoch, objectRun: objectRun(), asOf }),
	};
}
