// Stores the change feed beyond a run of the object: the position in the database, and the changes as a log that is rewritten
// when it has grown. What was stored is durable before a client learns of it, because the runtime holds answers back.
import * as z from "zod/mini";
import type { Change } from "./feed.ts";

/** An older version may have stored another form. That is not loaded, and a new feed epoch begins. */
const stored = z.lazy(() =>
	z.object({
		feedEpoch: z.string(),
		seq: z.int(),
		prunedBelow: z.int(),
		cursor: z.string(),
		storedAt: z.number(),
		loadedSchemaSeq: z.int(),
	}),
);
const storedChanges = z.lazy(() => z.array(z.tuple([z.string(), z.int()])));

/** The feed without its changes. */
export interface StoredFeed {
	readonly feedEpoch: string;
	readonly seq: number;
	readonly prunedBelow: number;
	/** For the next poll of the database. */
	readonly cursor: string;
	/** When the cursor was stored. */
	readonly storedAt: number;
	/** PostgREST has loaded the schema as of this number. 0 where that is not known of this feed epoch. */
	readonly loadedSchemaSeq: number;
}

export interface FeedStore {
	/**
	 * @returns the last state, and all changes of its feed epoch; undefined where nothing is stored
	 * @throws {Error} where what is stored cannot be read
	 */
	load(): { state: StoredFeed; changes: readonly Change[] } | undefined;
	/**
	 * Stores both or neither.
	 * @returns whether the log should be rewritten, because it has grown
	 */
	append(state: StoredFeed, changes: readonly Change[]): boolean;
	/** Replaces everything that was stored. Stores both or neither. */
	rewrite(state: StoredFeed, changes: readonly Change[]): void;
}

/** A row may have 2 MB, and a UTF-16 unit takes up to three bytes. */
const ROW_CHARACTERS = 500_000;

/** How much the log may grow before it is rewritten. */
const MAX_ROWS = 1_000;
const MAX_CHARACTERS = 4_000_000;

/** @param storage of a Durable Object with SQLite */
export function createFeedStore(
	storage: Pick<DurableObjectStorage, "sql" | "transactionSync">,
): FeedStore {
	const { sql } = storage;
	// Since the log was rewritten in this run of the object. Otherwise in all.
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

	function write(state: StoredFeed, changes: readonly Change[]): void {
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
