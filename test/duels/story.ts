// A story: a world, moves, and duels before and after each. Every answer has to be one that the database gives to this caller: now, or
// before a move of which the maximum staleness has not passed.
import { setTimeout as sleep } from "node:timers/promises";
import type { Random } from "../histories/random.ts";
import { type Answers, isSame, subject } from "./answers.ts";
import {
	type Answer,
	type Arena,
	MAX_STALENESS_MS,
	type Question,
} from "./arena.ts";
import type { Move } from "./moves.ts";
import { ADA, type Side } from "./sides.ts";
import { RESET_WORLD, watch } from "./world.ts";

/** One side asks, and then the other. */
export interface Duel {
	readonly relation: string;
	readonly sides: readonly [Side, Side];
	readonly kind: DuelKind;
}

export type DuelKind =
	/** A question that was never asked, at once after the move. */
	| "at once"
	/** A question that was never asked, when the move has to be known. */
	| "later"
	/** A question that was asked before the move, at once and when the move has to be known. */
	| "known"
	/** Another party has changed what both sides' answers left in KV. */
	| "tampered";

export interface Leak {
	readonly duel: Duel;
	/** The side that got the answer. */
	readonly side: Side;
	readonly answer: Answer;
	readonly allowed: readonly string[];
}

export interface Tally {
	duels: number;
	/** Answers of the gateway. */
	answers: number;
	hits: number;
	/** Duels whose second side got the first one's stored answer. */
	shared: number;
	/** Answers that are no answer of PostgREST, such as 503. */
	failures: number;
	moves: Record<string, number>;
}

export function newTally(): Tally {
	return { duels: 0, answers: 0, hits: 0, shared: 0, failures: 0, moves: {} };
}

/** The maximum staleness, and the error of this machine's timers. */
const KNOWN_AFTER_MS = MAX_STALENESS_MS + 150;
/** PostgREST reads its settings again after it is told. */
const RELOADED_AFTER_MS = 500;
const WARM_ATTEMPTS = 30;

export async function resetWorld(
	arena: Arena,
	isWatched: boolean,
): Promise<void> {
	const { client } = arena;
	await client.query([...watch(true), ...RESET_WORLD].join(";\n"));
	await client.query("notify pgrst, 'reload config'");
	await client.query(watch(isWatched).join(";\n"));
	await sleep(RELOADED_AFTER_MS);
	// The gateway knows the world by now, unless nothing can be cached.
	for (let attempt = 0; attempt < WARM_ATTEMPTS; attempt += 1) {
		const question = arena.fresh("vaults");
		await arena.askGateway(0, question, ADA);
		if (isHit(await arena.askGateway(0, question, ADA))) return;
		await sleep(100);
	}
}

/** One move, and duels around it. */
export class Step {
	readonly #arena: Arena;
	readonly #random: Random;
	readonly #tally: Tally;
	readonly #duels: readonly Duel[];
	readonly #given: {
		duel: Duel;
		side: Side;
		answer: Answer;
		isLate: boolean;
	}[] = [];

	constructor(
		arena: Arena,
		random: Random,
		tally: Tally,
		duels: readonly Duel[],
	) {
		this.#arena = arena;
		this.#random = random;
		this.#tally = tally;
		this.#duels = duels;
	}

	/** @param answers of the database, as they are before the move; they are read again after it */
	async play(move: Move, answers: Answers): Promise<Leak[]> {
		const asked = new Map<Duel, Question>();
		for (const duel of this.#of("known")) {
			const question = this.#arena.fresh(duel.relation);
			asked.set(duel, question);
			for (const isolate of [0, 1] as const)
				for (const side of duel.sides)
					await this.#arena.askGateway(isolate, question, side);
		}
		if (move.sql.length > 0)
			await this.#arena.client.query(move.sql.join(";\n"));
		const changedAt = performance.now();
		await this.#fightAll(this.#of("at once"), false);
		for (const [duel, question] of asked)
			await this.#fight(duel, false, question);
		const pause = move.isForPostgrest ? RELOADED_AFTER_MS : 0;
		await sleep(
			Math.max(0, pause + changedAt + KNOWN_AFTER_MS - performance.now()),
		);
		await answers.readAgain();
		for (const [duel, question] of asked)
			await this.#fight(duel, true, question);
		await this.#fightAll(this.#of("later"), true);
		for (const duel of this.#of("tampered")) await this.#fightTampered(duel);
		return this.#judge(answers);
	}

	#of(kind: DuelKind): Duel[] {
		return this.#duels.filter((duel) => duel.kind === kind);
	}

	/** A few at a time. */
	async #fightAll(duels: Duel[], isLate: boolean): Promise<void> {
		const waiting = duels.values();
		const fightOn = async () => {
			for (const duel of waiting) await this.#fight(duel, isLate);
		};
		await Promise.all([fightOn(), fightOn(), fightOn()]);
	}

	async #fight(
		duel: Duel,
		isLate: boolean,
		question = this.#arena.fresh(duel.relation),
	): Promise<void> {
		const first = this.#isolate();
		const second = this.#random.chance(0.7) ? first : this.#isolate();
		const [one, other] = duel.sides;
		const { cacheStatus } = await this.#ask(first, question, one, duel, isLate);
		const answer = await this.#ask(second, question, other, duel, isLate);
		if (cacheStatus.includes("; stored") && isHit(answer))
			this.#tally.shared += 1;
	}

	async #fightTampered(duel: Duel): Promise<void> {
		const { kv } = this.#arena;
		const question = this.#arena.fresh(duel.relation);
		const before = kv.written;
		for (const side of duel.sides)
			await this.#ask(0, question, side, duel, true);
		// The answer is stored after it was given.
		for (let wait = 0; wait < 10 && kv.written < before + 2; wait += 1)
			await sleep(5);
		kv.tamper(this.#random, Math.max(2, kv.written - before));
		for (const side of duel.sides)
			await this.#ask(1, question, side, duel, true);
	}

	async #ask(
		isolate: 0 | 1,
		question: Question,
		side: Side,
		duel: Duel,
		isLate: boolean,
	): Promise<Answer> {
		const answer = await this.#arena.askGateway(isolate, question, side);
		this.#given.push({ duel, side, answer, isLate });
		this.#tally.answers += 1;
		if (isHit(answer)) this.#tally.hits += 1;
		return answer;
	}

	#isolate(): 0 | 1 {
		return this.#random.chance(0.5) ? 0 : 1;
	}

	#judge(answers: Answers): Leak[] {
		// Where both sides always get the same there is nothing to leak.
		const worth = this.#duels.filter(
			({ relation, sides: [one, other] }) =>
				!isSame(answers, relation, one, other),
		);
		this.#tally.duels += worth.length;
		const leaks: Leak[] = [];
		for (const { duel, side, answer, isLate } of this.#given) {
			if (/^50[0-9] /.test(answer.text)) {
				this.#tally.failures += 1;
				continue;
			}
			const name = subject(duel.relation, side);
			// A connection keeps plans when a membership changes: of prepared statements, and, from PostgreSQL 18 on, of functions in SQL.
			const mayBeOld =
				duel.relation === "rpc/found" ||
				(duel.kind === "known" && this.#arena.isPrepared);
			const allowed = mayBeOld
				? answers.ever(name)
				: answers.allowed(name, isLate);
			if (!allowed.has(answer.text))
				leaks.push({ duel, side, answer, allowed: [...allowed] });
		}
		return leaks;
	}
}

function isHit({ cacheStatus }: Answer): boolean {
	return cacheStatus.includes("; hit");
}
