// What the database itself answers to each side, before the last move and after it.
import type { Arena } from "./arena.ts";
import { nameOf, type Side } from "./sides.ts";

export interface Answers {
	/** Reads all of them again, after a move. */
	readAgain(): Promise<void>;
	/** Those that a side may get: now, or before the move as well. */
	allowed(subject: string, isLate: boolean): ReadonlySet<string>;
	/** All that a side might have got in this world: where PostgreSQL keeps a plan, it may answer by old policies. */
	ever(subject: string): ReadonlySet<string>;
}

/** The name of what a side asks. */
export function subject(relation: string, side: Side): string {
	return `${relation} ${nameOf(side)}`;
}

export async function readAnswers(
	arena: Arena,
	relations: readonly string[],
	sides: readonly Side[],
): Promise<Answers> {
	const ever = new Map<string, Set<string>>();
	let before = new Map<string, string>();
	let now = new Map<string, string>();

	async function readAgain(): Promise<void> {
		before = now;
		now = new Map();
		await Promise.all(
			relations.flatMap((relation) =>
				sides.map(async (side) => {
					const name = subject(relation, side);
					const answer = await arena.askDatabase(relation, side);
					now.set(name, answer);
					ever.set(name, (ever.get(name) ?? new Set()).add(answer));
				}),
			),
		);
	}

	await readAgain();
	return {
		readAgain,
		ever: (name) => ever.get(name) ?? new Set(),
		allowed(name, isLate) {
			const allowed = new Set([now.get(name) ?? ""]);
			return isLate ? allowed : allowed.add(before.get(name) ?? "");
		},
	};
}

/** Whether two sides get the same, now and before the move. */
export function isSame(
	answers: Answers,
	relation: string,
	one: Side,
	other: Side,
): boolean {
	const [first, second] = [one, other].map((side) =>
		[...answers.allowed(subject(relation, side), false)].join(),
	);
	return first === second;
}
