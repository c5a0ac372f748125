// The last change of each tag, within a bound on tags. A tag that does not fit is taken to have changed later than it did,
// never earlier.
import type { Change } from "./feed.ts";
import { anyRowTagOf } from "./tag.ts";

/** Beyond this, rows are merged into their relation's any-row tag, and then the oldest tags are dropped. */
const MAX_TAGS = 10_000;

export class LastChanges {
	readonly #last = new Map<string, number>();
	readonly #maxTags: number;
	#prunedBelow: number;

	constructor(prunedBelow = 0, maxTags = MAX_TAGS) {
		this.#prunedBelow = prunedBelow;
		this.#maxTags = maxTags;
	}

	/** Changes up to this number may be dropped, so every answer with a lower number is outdated. */
	get prunedBelow(): number {
		return this.#prunedBelow;
	}

	/** The number of the tag's last change, and at least `prunedBelow`. */
	lastChange(tag: string): number {
		return Math.max(this.#last.get(tag) ?? 0, this.#prunedBelow);
	}

	/** Takes changes in any order, and repeated ones. */
	record(changes: Iterable<Change>): void {
		for (const [tag, seq] of changes) this.#raise(tag, seq);
		if (this.#last.size > this.#maxTags) this.#mergeRows();
		if (this.#last.size > this.#maxTags) this.#dropOldest();
	}

	raisePrunedBelow(prunedBelow: number): void {
		this.#prunedBelow = Math.max(this.#prunedBelow, prunedBelow);
	}

	/** All known changes numbered above `seq`. */
	since(seq: number): Change[] {
		const changes: Change[] = [];
		for (const change of this.#last) {
			if (change[1] > seq) changes.push(change);
		}
		return changes;
	}

	#raise(tag: string, seq: number): void {
		this.#last.set(tag, Math.max(this.#last.get(tag) ?? 0, seq));
	}

	/** Merges the older half of the rows into their relation's any-row tag, which then changed when the last of them did. */
	#mergeRows(): void {
		const rows = this.#oldestFirst().flatMap(([tag, seq]) => {
			const anyRow = anyRowTagOf(tag);
			return anyRow === undefined ? [] : [{ tag, seq, anyRow }];
		});
		for (const row of rows.slice(0, Math.ceil(rows.length / 2))) {
			this.#last.delete(row.tag);
			this.#raise(row.anyRow, row.seq);
		}
	}

	/** Drops down to half of the bound, so that this is rare. */
	#dropOldest(): void {
		const excess = this.#last.size - Math.floor(this.#maxTags / 2);
		for (const [tag, seq] of this.#oldestFirst().slice(0, excess)) {
			this.#last.delete(tag);
			this.raisePrunedBelow(seq);
		}
	}

	#oldestFirst(): Change[] {
		return [...this.#last].sort(([, a], [, b]) => a - b);
	}
}
