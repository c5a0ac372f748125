// When each tag changed last, within bounds: what does not fit is taken to have changed more, or later, than it did. Never less.
import type { Change } from "./feed.ts";

/** More tags than this are not kept apart. */
const MAX_TAGS = 10_000;

export class LastChanges {
	readonly #last = new Map<string, number>();
	readonly #maxTags: number;
	#prunedBelow: number;

	constructor(prunedBelow = 0, maxTags = MAX_TAGS) {
		this.#prunedBelow = prunedBelow;
		this.#maxTags = maxTags;
	}

	/** What was numbered below is out of date, whatever it depends on: changes up to here were forgotten. */
	get prunedBelow(): number {
		return this.#prunedBelow;
	}

	/** The number of the tag's last change; of a tag that is not known, the floor. */
	lastChange(tag: string): number {
		return Math.max(this.#last.get(tag) ?? 0, this.#prunedBelow);
	}

	/** Takes changes in any order, those that it knows already included. */
	record(changes: Iterable<Change>): void {
		for (const [tag, seq] of changes) this.#raise(tag, seq);
		if (this.#last.size > this.#maxTags) this.#collapseRows();
		if (this.#last.size > this.#maxTags) this.#forget();
	}

	raisePrunedBelow(prunedBelow: number): void {
		this.#prunedBelow = Math.max(this.#prunedBelow, prunedBelow);
	}

	/** All changes that are kept and numbered above `seq`. */
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

	/** The older half of the rows is taken together: any row of their relation may have changed when the last of them did. */
	#collapseRows(): void {
		const rows = this.#oldestFirst().flatMap(([tag, seq]) => {
			const anyRow = anyRowOf(tag);
			return anyRow === undefined ? [] : [{ tag, seq, anyRow }];
		});
		for (const row of rows.slice(0, Math.ceil(rows.length / 2))) {
			this.#last.delete(row.tag);
			this.#raise(row.anyRow, row.seq);
		}
	}

	/** Down to half, so that it is seldom done. */
	#forget(): void {
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

/** The relation and the key of a row. In names and values a parenthesis is quoted, and so is a key that happens to be "*". */
const ROW = /^((?:[^("]|"[^"]*")+)\((?!\*\)$).+\)$/s;

/** The tag of all rows of the relation, where the tag is that of one. */
function anyRowOf(tag: string): string | undefined {
	const relation = ROW.exec(tag)?.[1];
	return relation && `${relation}(*)`;
}
