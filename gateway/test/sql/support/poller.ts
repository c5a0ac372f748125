// Polls for changes as the Worker does: as the role postern, in a transaction that may not write.

import type { ClientBase } from "pg";

export interface Poll {
	readonly contract: number;
	readonly cursor: string;
	readonly reset: boolean;
	readonly reason: string | null;
	readonly tags: readonly string[];
}

/** The cursor with the digest of now. */
const NO_DIGEST = `case
	when $1 ~ '@.*@' then regexp_replace($1, '[^@]*$', split_part(postern.changes_since() ->> 'cursor', '@', 3)) else $1
end`;

export class Poller {
	readonly #client: ClientBase;
	readonly #source: string;
	readonly #seesDigest: boolean;
	cursor: string | null = null;

	/**
	 * @param source the function to poll, in place of the real one
	 * @param seesDigest whether it tells of what changed without an event. Roles belong to the whole server, where other tests
	 *   change them at any time.
	 */
	constructor(
		client: ClientBase,
		{ source = "postern.changes_since", seesDigest = false } = {},
	) {
		this.#client = client;
		this.#source = source;
		this.#seesDigest = seesDigest;
	}

	/** What changed since the last poll. */
	async poll(): Promise<Poll> {
		const poll = await this.since(this.cursor);
		this.cursor = poll.cursor;
		return poll;
	}

	/** The tags alone; an error where they cannot be told. */
	async tags(): Promise<readonly string[]> {
		const { reset, reason, tags } = await this.poll();
		if (reset) throw new Error(`the feed was reset: ${reason}`);
		return tags;
	}

	async since(cursor: string | null): Promise<Poll> {
		await this.#client.query("begin read only; set local role postern");
		try {
			const { rows } = await this.#client.query<{ poll: Poll }>(
				`select ${this.#source}(${this.#seesDigest ? "$1" : NO_DIGEST}) as poll`,
				[cursor],
			);
			const [row] = rows;
			if (!row) throw new Error("no answer");
			return row.poll;
		} finally {
			await this.#client.query("rollback");
		}
	}
}
