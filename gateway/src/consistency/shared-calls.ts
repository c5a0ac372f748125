// Calls of the feed that requests share: one call at a time, and requests that arrive while one runs share the next.
// A request never awaits another one's promise. It looks for what the call has brought.

import { FORCING_TOKEN } from "./consistency-token.ts";
import type { SingleFlight } from "./single-flight.ts";
import type { Needs, View } from "./view.ts";

/** More tokens than this are replaced by one token that forces a poll. */
const MAX_TOKENS = 100;
/** A view older than this is never used, even if requests accept any age. */
const LONGEST_AGE_MS = 60_000;

/**
 * How old the feed's answer may be, as a share of the oldest that is needed. The view grows older while the answer is on its way,
 * and at half of it the feed is asked again: an answer of that age would be asked for twice.
 */
const ACCEPTED_SHARE = 0.4;

interface SharedCallsDeps {
	/** The name of these calls' flight. */
	name: string;
	flights: SingleFlight;
	/** Makes the call. @returns its view, or a newer one */
	call: (needs: Needs) => Promise<View | undefined>;
	/** A known view that satisfies the needs. */
	suitable: (needs: Needs) => View | undefined;
	/** Whether the feed is not to be asked now. */
	isQuiet: () => boolean;
	now: () => number;
	waitUntil: (promise: Promise<unknown>) => void;
}

/** A call, made by one of the requests that want it. */
interface Round {
	maxAgeMs: number;
	readonly consistencyTokens: Set<string>;
	hasBegun: boolean;
	/** What the call has brought. It covers the tokens, and was young enough when the feed answered. */
	view: View | undefined;
}

export function createSharedCalls(deps: SharedCallsDeps) {
	const { name, flights, call, suitable, isQuiet, now, waitUntil } = deps;
	let next = emptyRound();

	return {
		/** Makes a call in the background, unless one is under way. */
		keepUp(maxAgeMs: number): void {
			if (isQuiet() || flights.isUnderWay(name)) return;
			enter({ maxAgeMs, consistencyTokens: [] });
			waitUntil(flights.run<void>(name, () => undefined, run));
		},
		/** @returns undefined where the feed brings no view that satisfies the needs */
		async join(needs: Needs): Promise<View | undefined> {
			const rounds: Round[] = [];
			const look = () =>
				suitable(needs) ??
				rounds.map(({ view }) => view).find((view) => isYoung(view, needs));
			// Once for a call that was under way, and once for the next.
			for (let attempt = 0; attempt < 2 && !isQuiet(); attempt++) {
				if (rounds.every(({ hasBegun }) => hasBegun)) rounds.push(enter(needs));
				const value = await flights.run(name, look, async () => {
					await runToTheEnd();
					return look();
				});
				if (value !== undefined) return value;
			}
			return undefined;
		},
	};

	function enter({ maxAgeMs, consistencyTokens }: Needs): Round {
		next.maxAgeMs = Math.min(next.maxAgeMs, maxAgeMs * ACCEPTED_SHARE);
		for (const token of consistencyTokens) next.consistencyTokens.add(token);
		if (next.consistencyTokens.size > MAX_TOKENS) {
			next.consistencyTokens.clear();
			next.consistencyTokens.add(FORCING_TOKEN);
		}
		return next;
	}

	async function run(): Promise<void> {
		const round = next;
		next = emptyRound();
		round.hasBegun = true;
		const { maxAgeMs, consistencyTokens } = round;
		round.view = await call({
			maxAgeMs,
			consistencyTokens: [...consistencyTokens],
		});
	}

	/** Other requests wait for the call, so it goes on when its own client goes away. */
	function runToTheEnd(): Promise<void> {
		const running = run();
		waitUntil(running);
		return running;
	}

	/** Whether the view of a request's round still is young enough: the call may have taken long. */
	function isYoung(view: View | undefined, { maxAgeMs }: Needs): boolean {
		if (view === undefined) return false;
		return maxAgeMs <= 0 || now() - view.asOf <= maxAgeMs;
	}
}

function emptyRound(): Round {
	return {
		maxAgeMs: LONGEST_AGE_MS,
		consistencyTokens: new Set(),
		hasBegun: false,
		view: undefined,
	};
}
