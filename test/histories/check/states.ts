// Every state of the database, one for each transaction, rebuilt from the log of changes.
import type { Commit } from "./history.ts";

/** The rows of a relation, by key. */
export type Rows = ReadonlyMap<string, unknown>;

export interface State {
	rows(relation: string): Rows;
}

const NONE: Rows = new Map();

/** State number n is the one after transaction number n; there is none before the first. */
export class States {
	readonly count: number;
	/** By relation: the transactions that changed it, and its rows after each of them. */
	readonly #changes = new Map<string, { at: number; rows: Rows }[]>();

	constructor(commits: readonly Commit[]) {
		this.count = commits.length;
		commits.forEach((commit, number) => {
			const changed = new Map<string, Map<string, unknown>>();
			for (const { relation, key, contents } of commit.changes) {
				const rows =
					changed.get(relation) ?? new Map(this.#latest(relation)?.rows);
				changed.set(relation, rows);
				if (contents === null) rows.delete(key);
				else rows.set(key, contents);
			}
			for (const [relation, rows] of changed) {
				const before = this.#changes.get(relation) ?? [];
				before.push({ at: number, rows });
				this.#changes.set(relation, before);
			}
		});
	}

	at(number: number): State {
		return {
			rows: (relation) => this.#lastChange(relation, number)?.rows ?? NONE,
		};
	}

	/** The number of the first state since which nothing of these relations has changed, as of a state. */
	unchangedSince(relations: readonly string[], number: number): number {
		let since = 0;
		for (const relation of relations) {
			since = Math.max(since, this.#lastChange(relation, number)?.at ?? 0);
		}
		return since;
	}

	#latest(relation: string) {
		return this.#changes.get(relation)?.at(-1);
	}

	#lastChange(relation: string, number: number) {
		const changes = this.#changes.get(relation) ?? [];
		const index = lastIndex(changes, ({ at }) => at <= number);
		return changes[index];
	}
}

/** The index of the last element that holds, where all that hold come first; -1 if none does. */
export function lastIndex<T>(
	list: ArrayLike<T>,
	holds: (element: T) => boolean,
): number {
	let low = 0;
	let high = list.length;
	while (low < high) {
		const middle = (low + high) >>> 1;
		if (holds(list[middle] as T)) low = middle + 1;
		else high = middle;
	}
	return low - 1;
}
