// Where the change feed outlives the object: what has changed, as a log that is rewritten when it has grown, and the position
// in the database. What has returned from here is durable before anybody is told of it: the runtime holds answers back.
import { z } from "zod";
import type { Change } from "./feed.ts";

/** Objects of an older version may have stored something else. */
const stored = z.object({
	feedEpoch: z.string(),
	seq: z.int(),
	prunedBelow: z.int(),
	cursor: z.string(),
	storedAt: z.number(),
	catalog: z.object({ version: z.string(), seq: z.int() }).nullable(),
	catalogChangedAt: z.number().nullable(),
});
const storedChanges = z.array(z.tuple([z.string(), z.int()]).readonly());

/** All of the feed but the changes. */
export interface FeedState {
	readonly feedEpoch: string;
	readonly seq: number;
	readonly prunedBelow: number;
	/** For the next poll of the database. */
	readonly cursor: string;
	/** When the cursor was stored, in milliseconds. */
	readonly storedAt: number;
	/** Version of the catalog that was read last, and the seq that it was current at. */
	readonly catalog: { readonly version: string; readonly seq: number } | null;
	/** When the feed learned of the catalog's last change, in milliseconds. */
	readonly catalogChangedAt: number | null;
}

export interface FeedStore {
	/**
	 * What was stored last, and all changes since the epoch began; undefined where there is nothing.
	 * @throws where it cannot be read
	 */
	load(): { state: FeedState; changes: readonly Change[] } | undefined;
	/**
	 * Both or neither.
	 * @returns whether the log has grown so much that it should be rewritten
	 */
	append(state: FeedState, changes: readonly Change[]): boolean;
	/** In place of all that was stored: both or neither. */
	rewrite(state: FeedState, changes: readonly Change[]): void;
}

/** A row of the log may have 2 MB; characters outside of ASCII take up to three bytes. */
const ROW_CHARACTERS = 500_000;

/** How much the log may grow before it is rewritten. */
const MAX_ROWS = 1_000;
const MAX_CHARACTERS = 4_000_000;

/** @param storage of a Durable Object with SQLite */
export function createFeedStore(
	storage: Pick<DurableObjectStorage, "sql" | "transactionSync">,
): FeedStore {
	const { sql } = storage;
	// Since the log was rewritten, or in all where that was in another life of the object.
	let rows = 0;
	let characters = 0;
	sql.exec(
		"create table if not exists state (is_only integer primary key check (is_only = 1), state text not null)",
	);
	sql.exec(
		"create table if not exists changes (id integer primary key, changes text not null)",
	);

	return {
		load() {
			const [first] = sql.exec<{ state: string }>("select state from state");
			if (first === undefined) return undefined;
			const texts = sql
				.exec<{ changes: string }>("select changes from changes order by id")
				.toArray()
				.map(({ changes }) => changes);
			for (const text of texts) count(text);
			return {
				state: stored.parse(JSON.parse(first.state)),
				changes: texts.flatMap((text) => storedChanges.parse(JSON.parse(text))),
			};
		},
		append(state, changes) {
			storage.transactionSync(() => write(state, changes));
			return rows > MAX_ROWS || characters > MAX_CHARACTERS;
		},
		rewrite(state, changes) {
			storage.transactionSync(() => {
				sql.exec("delete from changes");
				write(state, changes);
			});
			rows = 0;
			characters = 0;
		},
	};

	function write(state: FeedState, changes: readonly Change[]): void {
		sql.exec(
			"insert or replace into state (is_only, state) values (1, ?)",
			JSON.stringify(state),
		);
		for (const text of textsOf(changes)) {
			sql.exec("insert into changes (changes) values (?)", text);
			count(text);
		}
	}

	function count(text: string): void {
		rows += 1;
		characters += text.length;
	}
}

function* textsOf(changes: readonly Change[]): Generator<string> {
	let parts: string[] = [];
	let length = 0;
	for (const change of changes) {
		const part = JSON.stringify(change);
		if (length + part.length > ROW_CHARACTERS) {
			yield `[${parts}]`;
			parts = [];
			length = 0;
		}
		parts.push(part);
		length += part.length;
	}
	if (parts.length > 0) yield `[${parts}]`;
}
